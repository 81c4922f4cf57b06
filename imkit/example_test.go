package imkit_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
)

// Sign a user out of one device.
func ExampleTokensService_Revoke() {
	srv, err := imkittest.Start() // instead of the real server
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

// Sign a user out everywhere.
func ExampleTokensService_RevokeAll() {
	srv, err := imkittest.Start() // instead of the real server
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
	srv, err := imkittest.Start() // instead of the real server
	if err != nil {
		log.Fatal(err)
	}

	client, err := imkit.NewClient(srv.URL, "another_key")
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Tokens.RevokeAll(context.Background(), "jane_doe")
	var apiErr *imkit.Error
	switch {
	case errors.Is(err, imkit.ErrInvalidParams):
		fmt.Println("invalid arguments, nothing was sent:", err)
	case errors.As(err, &apiErr):
		fmt.Println("refused by IMKIT:", apiErr.Code, apiErr.Message)
	case err != nil:
		fmt.Println("no response:", err)
	}
	srv.Close()
	// Output: refused by IMKIT: 401 Unauthorized
}
