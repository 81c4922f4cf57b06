package seam_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seam-go/seam"
)

// A backend hands each of its users a session of their own.
func Example() {
	ctx := context.Background()
	client, err := seam.NewClient() // SEAM_API_KEY from the environment
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
		UserIdentifierKey: "user_1",
		ExpiresAt:         time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("for", session.UserIdentifierKey, "with a token:", session.Token != "")

	// When the user signs out, the token must not be good any more.
	if err := client.ClientSessions.Revoke(ctx, session.ClientSessionID); err != nil {
		log.Fatal(err)
	}
	_, err = client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{}, seam.WithClientSessionToken(session.Token))
	fmt.Println("refused:", errors.Is(err, seam.ErrUnauthorized))
	// Output:
	// for user_1 with a token: true
	// refused: true
}

func ExampleNewClient() {
	client, err := seam.NewClient(
		seam.WithAPIKey(os.Getenv("MY_SEAM_KEY")),
		seam.WithTimeout(10*time.Second),
		seam.WithMaxRetries(4),
		seam.WithLogger(slog.Default()),
	)
	fmt.Println(client, err)
	// Output: <nil> seam: NewClient: the credential is empty; set it
}

func ExampleClientSessionsService_Create() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	params := seam.ClientSessionCreateParams{UserIdentifierKey: "user_2", CustomerKey: "acme"}
	session, err := client.ClientSessions.Create(context.Background(), params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.UserIdentifierKey, session.CustomerKey, session.DeviceCount)

	_, err = client.ClientSessions.Create(context.Background(), params)
	var apiErr *seam.APIError
	if errors.As(err, &apiErr) {
		fmt.Println(apiErr.Type)
	}
	// Output:
	// user_2 acme 0
	// client_session_token_already_exists
}

func ExampleClientSessionsService_Get() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	created, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
		UserIdentifierKey: "user_3",
	})
	if err != nil {
		log.Fatal(err)
	}
	byKey, err := client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{
		UserIdentifierKey: "user_3",
	})
	if err != nil {
		log.Fatal(err)
	}
	byID, err := client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{
		ClientSessionID: created.ClientSessionID,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(byKey.ClientSessionID == byID.ClientSessionID)
	// Output: true
}

func ExampleClientSessionsService_GetOrCreate() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	var ids []string
	for range 2 {
		session, err := client.ClientSessions.GetOrCreate(context.Background(), seam.ClientSessionGetOrCreateParams{
			UserIdentifierKey: "user_4",
		})
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, session.ClientSessionID)
	}
	fmt.Println(ids[0] == ids[1])
	// Output: true
}

// A list of one user's sessions. WithUser rejects an empty ID, for which List would
// return the sessions of all users.
func ExampleWithUser() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	for _, userID := range []string{"user_with_no_session", ""} {
		sessions, err := client.ClientSessions.List(context.Background(), seam.ClientSessionListParams{}, seam.WithUser(userID))
		fmt.Println(len(sessions), err)
	}
	// Output:
	// 0 <nil>
	// 0 seam: ClientSessions.List: the user identifier key is blank; set it
}

func ExampleClientSessionsService_GrantAccess() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
		UserIdentifierKey: "user_5",
	})
	if err != nil {
		log.Fatal(err)
	}
	err = client.ClientSessions.GrantAccess(context.Background(), seam.ClientSessionGrantAccessParams{
		ClientSessionID:     session.ClientSessionID,
		ConnectedAccountIDs: []string{"8062d457-e28e-481f-aecc-509905627511"},
	})
	if err != nil {
		log.Fatal(err)
	}
	session, err = client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{
		ClientSessionID: session.ClientSessionID,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ConnectedAccountIDs)
	// Output: [8062d457-e28e-481f-aecc-509905627511]
}

func ExampleClientSessionsService_List() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	for _, identity := range []string{"identity_1", "identity_2", "identity_2"} {
		_, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
			UserIdentityID: identity,
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	sessions, err := client.ClientSessions.List(context.Background(), seam.ClientSessionListParams{
		UserIdentityID: "identity_2",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(sessions), sessions[0].UserIdentityID)
	// Output: 2 identity_2
}

func ExampleClientSessionsService_All() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
		UserIdentifierKey: "user_6",
	})
	if err != nil {
		log.Fatal(err)
	}
	for session, err := range client.ClientSessions.All(context.Background(), seam.ClientSessionListParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		if session.UserIdentifierKey == "user_6" {
			fmt.Println("found")
			break
		}
	}
	// Output: found
}

func ExampleClientSessionsService_Revoke() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.ClientSessions.Revoke(context.Background(), session.ClientSessionID))
	// Output: <nil>
}

func ExampleClientSessionsService_RevokeAll() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	for _, device := range []string{"phone", "tablet"} { // each has a session of its own
		_, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{
			CustomerKey:    device,
			UserIdentityID: "user_identity_9",
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	revoked, err := client.ClientSessions.RevokeAll(context.Background(), seam.ClientSessionListParams{
		UserIdentityID: "user_identity_9",
	})
	if err != nil { // some sessions may be revoked all the same
		log.Print(err)
	}
	fmt.Println(len(revoked), "revoked")
	// Output: 2 revoked
}

func ExampleClientSessionsService_Delete() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.ClientSessions.Create(context.Background(), seam.ClientSessionCreateParams{})
	if err != nil {
		log.Fatal(err)
	}
	if err := client.ClientSessions.Delete(context.Background(), session.ClientSessionID); err != nil {
		log.Fatal(err)
	}
	_, err = client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{
		ClientSessionID: session.ClientSessionID,
	})
	fmt.Println(errors.Is(err, seam.ErrNotFound))
	// Output: true
}

func ExampleAPIError() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{
		UserIdentifierKey: "nobody",
	})
	var apiErr *seam.APIError
	switch {
	case errors.Is(err, seam.ErrInvalidParams):
		fmt.Println("a mistake of ours, and nothing was sent:", err)
	case errors.Is(err, seam.ErrNotFound):
		fmt.Println("no session yet")
	case errors.As(err, &apiErr):
		fmt.Println("Seam says", apiErr.Type, "to request", apiErr.RequestID)
	case err != nil:
		fmt.Println("no answer from Seam:", err)
	}
	// Output: no session yet
}

// Asks whether a user's token is still good, with the backend's own client.
func ExampleWithClientSessionToken() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	token := "seam_cst1_from_a_request"
	_, err = client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{},
		seam.WithClientSessionToken(token))
	var apiErr *seam.APIError
	if errors.As(err, &apiErr) && errors.Is(err, seam.ErrUnauthorized) {
		fmt.Println("sign in again:", apiErr.Type)
	}
	// Output: sign in again: client_session_not_found
}

func ExampleWithResponse() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	var response seam.Response
	_, err = client.ClientSessions.List(context.Background(), seam.ClientSessionListParams{
		UserIdentifierKey: "nobody",
	}, seam.WithResponse(&response))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d after %d attempt: %s\n", response.StatusCode, response.Attempts, response.Body)
	// Output: 200 after 1 attempt: {"client_sessions":[],"ok":true}
}

// Creates a Connect Webview, which this package has no method for, and a session whose
// user can connect devices there.
func ExampleClient_Post() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	var response struct {
		ConnectWebview struct {
			ConnectWebviewID string `json:"connect_webview_id"`
		} `json:"connect_webview"`
	}
	params := map[string]any{"accepted_providers": []string{"august"}}
	if err := client.Post(context.Background(), "/connect_webviews/create", params, &response); err != nil {
		log.Fatal(err)
	}
	webview := response.ConnectWebview.ConnectWebviewID
	session, err := client.ClientSessions.GetOrCreate(context.Background(), seam.ClientSessionGetOrCreateParams{
		UserIdentifierKey: "user_10",
		ConnectWebviewIDs: []string{webview},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(slices.Contains(session.ConnectWebviewIDs, webview))
	// Output: true
}

// Retries a request that only reads.
func ExampleWithIdempotent() {
	client, err := seam.NewClient()
	if err != nil {
		log.Fatal(err)
	}
	var response struct {
		Devices []struct {
			DeviceID string `json:"device_id"`
		} `json:"devices"`
	}
	if err := client.Post(context.Background(), "/devices/list", nil, &response, seam.WithIdempotent()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(response.Devices), "devices")
	// Output: 0 devices
}

// Counts the attempts of each operation by status.
func ExampleWithObserver() {
	attempts := map[string]int{}
	var mu sync.Mutex
	client, err := seam.NewClient(seam.WithObserver(func(_ context.Context, attempt seam.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		attempts[fmt.Sprint(attempt.Operation, " ", attempt.StatusCode)]++
	}))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.ClientSessions.Get(context.Background(), seam.ClientSessionGetParams{UserIdentifierKey: "nobody"})
	fmt.Println(errors.Is(err, seam.ErrNotFound), attempts)
	// Output: true map[ClientSessions.Get 404:1]
}
