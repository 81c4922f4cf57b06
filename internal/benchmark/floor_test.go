package benchmark_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// floor is the baseline of the benchmarks: the same calls, written by hand with net/http.
// It has no retries, no checks of params and no typed errors.
type floor struct {
	http     http.Client // with a timeout and a pool that is large enough
	endpoint string
	key      string
}

type floorSession struct {
	ClientSessionID     string    `json:"client_session_id"`
	ConnectWebviewIDs   []string  `json:"connect_webview_ids"`
	ConnectedAccountIDs []string  `json:"connected_account_ids"`
	CreatedAt           time.Time `json:"created_at"`
	CustomerID          string    `json:"customer_id"`
	CustomerKey         string    `json:"customer_key"`
	DeviceCount         int       `json:"device_count"`
	ExpiresAt           time.Time `json:"expires_at"`
	Token               string    `json:"token"`
	UserIdentifierKey   string    `json:"user_identifier_key"`
	UserIdentityID      string    `json:"user_identity_id"`
	UserIdentityIDs     []string  `json:"user_identity_ids"`
	WorkspaceID         string    `json:"workspace_id"`
}

func newFloor(transport http.RoundTripper, endpoint string) *floor {
	return &floor{http: http.Client{Transport: transport, Timeout: 30 * time.Second}, endpoint: endpoint, key: "seam_test_key"}
}

func (f *floor) post(ctx context.Context, path string, params, answer any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+f.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json") // and what the API wants to know of its callers: the same request on the wire
	req.Header.Set("User-Agent", "floor/1.0.0 (go1.26.0; linux/amd64)")
	req.Header.Set("Seam-Sdk-Name", "floor")
	req.Header.Set("Seam-Sdk-Version", "1.0.0")
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

func (f *floor) get(ctx context.Context, userIdentifierKey string) (*floorSession, error) {
	var answer struct {
		ClientSession floorSession `json:"client_session"`
	}
	params := struct {
		UserIdentifierKey string `json:"user_identifier_key"`
	}{userIdentifierKey}
	err := f.post(ctx, "/client_sessions/get", params, &answer)
	return &answer.ClientSession, err
}

func (f *floor) list(ctx context.Context) ([]floorSession, error) {
	var answer struct {
		ClientSessions []floorSession `json:"client_sessions"`
	}
	err := f.post(ctx, "/client_sessions/list", struct{}{}, &answer)
	return answer.ClientSessions, err
}
