package seam

// Version is the version of this module, or of its last release during development. It is
// sent with every request.
const Version = "0.1.0"
