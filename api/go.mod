// A module of its own: Seam changes this part of its API every week.
module github.com/seam-go/seam/api

go 1.26.0

require (
	github.com/seam-go/seam v0.2.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/seam-go/seam => ..
