// A module of its own, so that users of the SDK do not inherit a browser driver.
module github.com/seam-go/seam/internal/browser

go 1.26.0

require (
	github.com/chromedp/chromedp v0.23.0
	github.com/seam-go/seam v0.2.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/chromedp/cdproto v0.159.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/seam-go/seam => ../..
