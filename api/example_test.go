package api_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/webhook"
)

// door is a small Seam for the examples: it has one lock. In a program, pass the client of
// seam.NewClient to api.New.
func door() *api.Client {
	srv := &server{answer: func(r request) (int, any, error) {
		lock := map[string]any{"device_id": "lock_1", "display_name": "Front door", "properties": map[string]any{"online": true, "locked": true}}
		switch r.Path {
		case "/devices/list":
			return http.StatusOK, map[string]any{"devices": []any{lock}}, nil
		case "/action_attempts/get":
			return http.StatusOK, attempt("success"), nil
		}
		return http.StatusOK, attempt("pending"), nil
	}}
	core, err := seam.NewClient(seam.WithAPIKey("seam_test1_key"), seam.WithHTTPClient(&http.Client{Transport: srv}))
	if err != nil {
		log.Fatal(err)
	}
	return api.New(core)
}

// List the devices of one user.
func ExampleDevicesService_All() {
	client := door()
	for device, err := range client.Devices.All(context.Background(), api.DeviceListParams{}, seam.WithUser("jane_doe")) {
		if err != nil {
			log.Fatal(err)
		}
		locked := "unknown"
		if l := device.Properties.Locked; l != nil {
			locked = fmt.Sprint(*l)
		}
		fmt.Println(device.DisplayName, "locked:", locked)
	}
	// Output: Front door locked: true
}

// Unlock a door, and wait until it is open.
func ExampleLocksService_UnlockDoor() {
	client := door()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	attempt, err := client.Locks.UnlockDoor(ctx, api.LockUnlockDoorParams{DeviceID: "lock_1"})
	var failed *api.ActionAttemptError
	switch {
	case errors.As(err, &failed) && failed.Attempt.Status == api.ActionAttemptStatusPending:
		fmt.Println("the door may still open:", err)
	case errors.As(err, &failed):
		fmt.Println("the door stayed shut:", failed.Type)
	case err != nil:
		fmt.Println("nothing was sent, or the answer was lost:", err)
	default:
		fmt.Println(attempt.Status)
	}
	// Output: success
}

// Show progress while an action is pending.
func ExampleClient_NoWait() {
	client := door()
	ctx := context.Background()
	attempt, err := client.NoWait().Locks.UnlockDoor(ctx, api.LockUnlockDoorParams{DeviceID: "lock_1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(attempt.Status)
	attempt, err = client.ActionAttempts.Wait(ctx, *attempt)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(attempt.Status)
	// Output:
	// pending
	// success
}

// Change one field of a user identity, clear another, and leave the rest as it is.
func ExampleNullable() {
	client := door()
	err := client.UserIdentities.Update(context.Background(), api.UserIdentityUpdateParams{
		UserIdentityID: "user_1",
		FullName:       api.Set("Jane Doe"),
		PhoneNumber:    api.Null[string](),
	})
	fmt.Println(err)
	// Output: <nil>
}

// Handle events by their type, in the function for [webhook.Verifier.Handler].
func ExampleDecodeEvent() {
	handle := func(_ context.Context, received webhook.Event) error {
		event, err := api.DecodeEvent(received)
		if err != nil {
			return err
		}
		switch event.EventType {
		case api.EventTypeLockUnlocked:
			log.Print("unlocked: ", event.DeviceID)
		case api.EventTypeDeviceDisconnected:
			log.Print("offline: ", event.DeviceID)
		}
		return nil
	}
	verifier, err := webhook.NewVerifier(webhookSecret)
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks", verifier.Handler(handle, nil))
}
