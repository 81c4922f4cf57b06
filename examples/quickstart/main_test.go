package main

import (
	"os"
	"testing"
)

// TestMain keeps the test away from the real service.
func TestMain(m *testing.M) {
	os.Clearenv()
	os.Exit(m.Run())
}

func Example() {
	main()
	// Output:
	// SEAM_API_KEY is not set: this runs on a Seam server of its own.
	// Session 00000001-0000-4000-8000-000000000000 is that of seam-go-quickstart
	//   a browser may use it for 24h0m0s
	//   devices that it reaches: 0
	// Its token is good.
	// Listed: 00000001-0000-4000-8000-000000000000
	// Revoked. The token is refused now: client_session_revoked
}
