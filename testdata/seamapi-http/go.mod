// A module of its own, so that users of the SDK do not inherit a lockfile of npm.
module github.com/seam-go/seam/testdata/seamapi-http

go 1.26
