package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/seam-go/seam"
)

// sessionHandler gives a page the token of its user's client session: when the page
// loads, and again after Seam has refused the token.
func sessionHandler(sessions *seam.ClientSessionsService, userOf func(*http.Request) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		user, err := userOf(r)
		if err != nil {
			http.Error(w, "Sign in first.", http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		session, err := sessions.GetOrCreate(ctx, seam.ClientSessionGetOrCreateParams{
			UserIdentifierKey: user,
			ExpiresAt:         time.Now().Add(lifetime),
		})
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // an error means that the visitor is gone
			"token": session.Token, "expires_at": session.ExpiresAt, "client_session_id": session.ClientSessionID,
		})
	})
}

// fail reports that a call to Seam failed.
func fail(w http.ResponseWriter, err error) {
	log.Print(err) // without secrets
	wait := 5 * time.Second
	if apiErr, ok := errors.AsType[*seam.APIError](err); ok {
		if !errors.Is(err, seam.ErrServer) && !errors.Is(err, seam.ErrRateLimited) { // such as a wrong API key
			http.Error(w, "The request to Seam failed.", http.StatusInternalServerError)
			return
		}
		wait = max(wait, apiErr.RetryAfter)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	http.Error(w, "Seam is not available. Try again.", http.StatusServiceUnavailable)
}
