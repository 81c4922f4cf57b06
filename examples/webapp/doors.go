package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/api"
	"github.com/seam-go/seam/sessioncache"
)

// actionTimeout is how long a request waits for a door.
const actionTimeout = 30 * time.Second

// failure is an error that visitors are told in words. They do not see its cause.
type failure struct {
	status int
	words  string
	cause  error // nil if there is nothing to log
}

func (f *failure) Error() string { return f.words }
func (f *failure) Unwrap() error { return f.cause }

func asFailure(err error) *failure {
	if told, ok := errors.AsType[*failure](err); ok {
		return told
	}
	if errors.Is(err, sessioncache.ErrNotSignedIn) || errors.Is(err, sessioncache.ErrSignedOut) {
		return &failure{status: http.StatusUnauthorized, words: "You are not signed in."}
	}
	return &failure{http.StatusServiceUnavailable, "That did not work. Try again in a moment.", err}
}

// forUser returns a handler that answers requests of users with the result of serve, as
// JSON.
func (a *app) forUser(serve func(r *http.Request, user string) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), actionTimeout)
		defer cancel()
		var result any
		user, err := a.userOf(r)
		if err == nil {
			result, err = serve(r.WithContext(ctx), user)
		}
		status := http.StatusOK
		if err != nil {
			told := asFailure(err)
			if told.cause != nil {
				slog.Error(told.words, "path", r.URL.Path, "error", told.cause) // without secrets
			}
			status, result = told.status, struct {
				Message string `json:"message"`
			}{told.words}
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(result) // an error means that the page was closed
	})
}

// connect creates a Connect Webview for the user, who connects an account there.
func (a *app) connect(r *http.Request, user string) (any, error) {
	if _, err := a.sessions.Session(r.Context(), user); err != nil { // access is granted to a session
		return nil, err
	}
	webview, err := a.seam.ConnectWebviews.Create(r.Context(), api.ConnectWebviewCreateParams{
		CustomRedirectURL: a.site.String(), WaitForDeviceCreation: new(true),
	})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.webviews[user] = append(a.webviews[user], webview.ConnectWebviewID)
	a.mu.Unlock()
	err = a.sessions.GrantAccess(r.Context(), seam.ClientSessionGrantAccessParams{
		UserIdentifierKey: user, ConnectWebviewIDs: []string{webview.ConnectWebviewID},
	})
	return struct {
		URL string `json:"url"`
	}{webview.URL}, err
}

// door is a door as the page sees it.
type door struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// doors lists the doors that the user can unlock.
func (a *app) doors(r *http.Request, user string) (any, error) {
	if _, err := a.sessions.Session(r.Context(), user); err != nil { // without one, the user has no devices
		return nil, err
	}
	doors := []door{}
	for device, err := range a.seam.Devices.All(r.Context(), api.DeviceListParams{}, seam.WithUser(user)) {
		if err != nil {
			return nil, err
		}
		if device.CanRemotelyUnlock {
			doors = append(doors, door{device.DeviceID, device.DisplayName})
		}
	}
	return doors, nil
}

// isDoorOf reports whether a door is one of the user's.
func (a *app) isDoorOf(ctx context.Context, user, deviceID string) (bool, error) {
	for device, err := range a.seam.Devices.All(ctx, api.DeviceListParams{DeviceIDs: []string{deviceID}}, seam.WithUser(user)) {
		if err != nil || device.DeviceID == deviceID {
			return err == nil, err
		}
	}
	return false, nil
}

// unlock unlocks a door of the user, and answers when it is open.
func (a *app) unlock(r *http.Request, user string) (any, error) {
	var asked struct {
		DeviceID string `json:"device_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.DeviceID == "" {
		return nil, &failure{status: http.StatusBadRequest, words: "The request names no door."}
	}
	// The API key opens every door of the workspace, so this check is the only one.
	ok, err := a.isDoorOf(r.Context(), user, asked.DeviceID)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &failure{status: http.StatusNotFound, words: "You have no such door."}
	}
	if again, err := a.userOf(r); err != nil || again != user { // the user may have signed out meanwhile
		return nil, sessioncache.ErrNotSignedIn
	}
	if _, err = a.seam.Locks.UnlockDoor(r.Context(), api.LockUnlockDoorParams{DeviceID: asked.DeviceID}); err != nil {
		return nil, explain(err)
	}
	return struct{}{}, nil
}

// reasons has words for types of failed actions.
var reasons = map[string]string{
	"action_attempt_expired": "The lock did not respond in time.",
	"bridge_disconnected":    "The lock's bridge is not connected. Check its power and network.",
	"device_disconnected":    "The lock is not connected. Check its battery and network.",
}

// explain says what an error of UnlockDoor means for the door.
func explain(err error) error {
	unknown := &failure{http.StatusGatewayTimeout, "The lock has not answered. Look whether the door is open before you try again.", err}
	failed, started := errors.AsType[*api.ActionAttemptError](err)
	apiErr, answered := errors.AsType[*seam.APIError](err)
	switch {
	case started && failed.Attempt.Status == api.ActionAttemptStatusError:
		return &failure{http.StatusBadGateway, cmp.Or(reasons[failed.Type], "The lock could not be unlocked."), err}
	case started: // whatever err says is about the requests that asked how it went
		return unknown
	case errors.Is(err, seam.ErrRateLimited):
		return &failure{http.StatusTooManyRequests, "The door was used too often. Try again in a minute.", err}
	case answered && apiErr.StatusCode/100 == 4:
		return &failure{http.StatusBadGateway, "The lock could not be unlocked.", err}
	default:
		return unknown
	}
}
