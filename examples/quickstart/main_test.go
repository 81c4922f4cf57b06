package main

func Example() {
	main()
	// Output:
	// SEAM_API_KEY is not set: this runs on a Seam server of its own.
	// Session 00000001-0000-4000-8000-000000000000 is that of jane_doe
	//   her browser may use it for 24h0m0s
	//   devices she can reach: 0
	// Her token is good.
	// Listed: 00000001-0000-4000-8000-000000000000
	// Revoked. Her token is refused now: client_session_revoked
}
