// Package api provides typed methods for the rest of the Seam API. Package
// [github.com/seam-go/seam] has those for client sessions, and does the work here too:
// credentials, options, retries and errors are described there.
//
//	core, err := seam.NewClient() // SEAM_API_KEY from the environment
//	if err != nil {
//		return err
//	}
//	client := api.New(core)
//
// # From a user to an open door
//
// A user gets a client session and connects an account in a Connect Webview:
//
//	session, err := client.ClientSessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{UserIdentifierKey: user.ID})
//	webview, err := client.ConnectWebviews.Create(ctx, api.ConnectWebviewCreateParams{})
//	err = client.ClientSessions.GrantAccess(ctx, seam.ClientSessionGrantAccessParams{
//		ClientSessionID:   session.ClientSessionID,
//		ConnectWebviewIDs: []string{webview.ConnectWebviewID},
//	})
//	// The user opens webview.URL.
//
// Then the user has devices:
//
//	for device, err := range client.Devices.All(ctx, api.DeviceListParams{}, seam.WithUser(user.ID)) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(device.DeviceID, device.DisplayName)
//	}
//
// Without [seam.WithUser], the loop is over the devices of all users. An empty user ID is
// rejected, and so is the option for a method whose endpoint would ignore it.
//
//	attempt, err := client.Locks.UnlockDoor(ctx, api.LockUnlockDoorParams{DeviceID: id})
//
// # Actions
//
// Seam answers before a door has moved. Methods such as [LocksService.UnlockDoor] wait until
// the action has ended. If it has failed, or the context ends first, the error is an
// [*ActionAttemptError] with the last known state. Any other error is one of the request
// that begins the action; if its response was lost, the action may have begun. Without a
// deadline in the context, these methods wait as long as the action is pending.
//
// While they wait, they ask Seam for that state only, so nothing is done twice, and
// [seam.WithResponse] has the last of the responses. [Client.NoWait] returns a client that
// does not wait.
//
// # Params
//
// All methods take a struct of params. Zero fields are not sent. An empty slice that is not
// nil is sent: a filter by no IDs is not the same as no filter. Bools and numbers other than
// a Limit are pointers, such as new(false). In an update, a field that can be cleared is a
// [Nullable].
//
// Fields with the tag required must be set, and at least one of those with the tag either.
// Otherwise nothing is sent and the error matches [seam.ErrInvalidParams]. Times are sent in
// UTC.
//
// # Results
//
// A field that Seam did not send, or sent in another form than it documents, is zero. The
// other fields and objects are not affected. An object without its ID, or another object
// than the one that was asked for by its ID, is an error.
//
// If a service has All, its List reads all pages, and All holds one at a time. A List without
// All sends one request, and a response that is one page of several is an error. So is one of
// more than 4 MiB. Where the params have a Limit, a smaller one makes smaller responses.
//
// # Retries
//
// The documentation of each method tells whether it is idempotent. Those that are not are
// retried like [seam.Client.Post]: only if the server cannot have processed the previous
// attempt. Such a method accepts [seam.WithIdempotent], which permits more.
//
// # Secrets
//
// PIN codes, webhook secrets, tokens and URLs that contain one are formatted as REDACTED by
// fmt and log/slog, and so are PIN codes of params in errors. [encoding/json.Marshal]
// includes them.
//
// # Versions
//
// Seam changes this part of its API often. This module has versions v0, and a version can
// change or remove what Seam has changed or removed. [seam.Client.Post] calls endpoints that
// this version does not know.
package api

import "github.com/seam-go/seam"

// New returns a client that sends its requests with core. It panics if core is nil.
func New(core *seam.Client) *Client {
	if core == nil {
		panic("api: New was called with a nil *seam.Client; create one with seam.NewClient")
	}
	return newClient(service{core: core})
}

// NoWait returns a client whose methods do not wait until an action has ended. They return
// when Seam has accepted it, with an [ActionAttempt] that is usually pending. Pass that to
// [ActionAttemptsService.Wait] to wait later.
func (c *Client) NoWait() *Client {
	s := c.service
	s.noWait = true
	return newClient(s)
}

// service has what all services share.
type service struct {
	_      incomparable
	core   *seam.Client
	noWait bool
}

// incomparable makes a struct incomparable, so that it can get any field later.
type incomparable [0]func()
