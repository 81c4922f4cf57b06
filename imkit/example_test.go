package imkit_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
)

// A user signs out of one device.
func ExampleTokensService_Revoke() {
	srv, err := imkittest.Start() // in place of the real endpoint and key
	if err != nil {
		log.Fatal(err)
	}
	token := srv.AddToken("jane_doe")
	srv.AddToken("jane_doe")

	client, err := imkit.NewClient(srv.URL, imkittest.APIKey)
	if err != nil {
		log.Fatal(err)
	}
	revoked, err := client.Tokens.Revoke(context.Background(), "jane_doe", token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(revoked), revoked[0].Token == token)

	_, err = client.Tokens.Revoke(context.Background(), "jane_doe", "")
	fmt.Println(errors.Is(err, imkit.ErrInvalidParams), err)
	srv.Close()
	// Output:
	// 1 true
	// true imkit: Tokens.Revoke: the token is blank
}

// A user is signed out everywhere.
func ExampleTokensService_RevokeAll() {
	srv, err := imkittest.Start() // in place of the real endpoint and key
	if err != nil {
		log.Fatal(err)
	}
	srv.AddToken("jane_doe")
	srv.AddToken("jane_doe")

	client, err := imkit.NewClient(srv.URL, imkittest.APIKey)
	if err != nil {
		log.Fatal(err)
	}
	revoked, err := client.Tokens.RevokeAll(context.Background(), "jane_doe")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(revoked))
	srv.Close()
	// Output: 2
}

func ExampleError() {
	srv, err := imkittest.Start() // in place of the real endpoint and key
	if err != nil {
		log.Fatal(err)
	}

	client, err := imkit.NewClient(srv.URL, "another_key")
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Tokens.RevokeAll(context.Background(), "jane_doe")
	var answer *imkit.Error
	switch {
	case errors.Is(err, imkit.ErrInvalidParams):
		fmt.Println("a mistake of ours, and nothing was sent:", err)
	case errors.As(err, &answer):
		fmt.Println("IMKIT says", answer.Code, answer.Message)
	case err != nil:
		fmt.Println("no answer from IMKIT:", err)
	}
	srv.Close()
	// Output: IMKIT says 401 Unauthorized
}
