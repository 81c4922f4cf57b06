package seam_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
)

type webviewParams struct {
	UserIdentifierKey string `json:"user_identifier_key"`
	Name              string `json:"name"`
}

// TestPostParams lists what Post sends for its params.
func TestPostParams(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params any
		want   string
	}{
		"nil":                        {nil, `{}`},
		"an empty map":               {map[string]any{}, `{}`},
		"a nil map":                  {map[string]any(nil), `{}`},
		"a struct":                   {webviewParams{UserIdentifierKey: "jane_doe"}, `{"user_identifier_key": "jane_doe", "name": ""}`},
		"a pointer to a struct":      {&webviewParams{"jane_doe", "door"}, `{"user_identifier_key": "jane_doe", "name": "door"}`},
		"blank texts in a map":       {map[string]any{"name": "", "tags": []string{" "}}, `{"name": "", "tags": [" "]}`},
		"a map of texts":             {map[string]string{"name": ""}, `{"name": ""}`},
		"bytes, raw JSON and a time": {map[string]any{"b": []byte{1}, "r": json.RawMessage(`[""]`), "t": time.Unix(0, 0).UTC()}, `{"b": "AQ==", "r": [""], "t": "1970-01-01T00:00:00Z"}`},
		"a type with its own JSON":   {map[string]any{"d": json.Number("1")}, `{"d": 1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := offline(t, func(req *http.Request) (*http.Response, error) {
				assert.Equal(t, "https://connect.getseam.com/connect_webviews/create", req.URL.String())
				body, err := io.ReadAll(req.Body)
				assert.JSONEq(t, tt.want, string(body), err)
				return response(http.StatusOK, `{"ok": true}`)
			})
			require.NoError(t, client.Post(t.Context(), "/connect_webviews/create", tt.params, nil))
		})
	}
}

// selfReferring can be encoded by nobody.
type selfReferring struct{ Self *selfReferring }

// TestPostRejects lists calls that are rejected before anything is sent.
func TestPostRejects(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.ErrUnexpectedEOF
	})
	cycle := &selfReferring{}
	cycle.Self = cycle
	const noKey = "user_identifier_key is blank; set it or omit it"
	for name, tt := range map[string]struct {
		path           string
		params, result any
		want           string
	}{
		"a blank key in a map":     {params: map[string]any{"user_identifier_key": ""}, want: noKey},
		"a blank key in a struct":  {params: webviewParams{Name: "door"}, want: noKey},
		"a blank key deeper":       {params: map[string]any{"a": []any{map[string]string{"user_identifier_key": " "}}}, want: noKey},
		"a blank text in a struct": {params: webviewParams{"jane_doe", " "}, want: "Name is blank"},
		"invalid UTF-8":            {params: map[string]any{"a": []any{"b\xff"}}, want: "a is not valid UTF-8"},
		"invalid UTF-8 in a key":   {params: map[string]any{"a\xff": 1}, want: "a key of params is not valid UTF-8"},
		"a time without JSON":      {params: map[string]any{"at": time.Time{}.AddDate(20000, 0, 0)}, want: "at is not in the years 0 to 9999"},
		"a number":                 {params: 5, want: "params are not a struct or a map; pass one, or nil"},
		"a list":                   {params: []string{"a"}, want: "params are not a struct or a map; pass one, or nil"},
		"a nil pointer":            {params: (*webviewParams)(nil), want: "params are not a struct or a map; pass one, or nil"},
		"a channel":                {params: map[string]any{"a": make(chan int)}, want: "params cannot be encoded: json: unsupported type: chan int"},
		"a cycle":                  {params: cycle, want: "params cannot be encoded: json: unsupported value: encountered a cycle via *seam_test.selfReferring"},
		"a result by value":        {result: webviewParams{}, want: "result is not a pointer; pass a pointer, or nil to discard the response"},
		"a nil result":             {result: (*webviewParams)(nil), want: "result is not a pointer; pass a pointer, or nil to discard the response"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := client.Post(t.Context(), "/devices/list", tt.params, tt.result)
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			assert.EqualError(t, err, "seam: Post /devices/list: "+tt.want)
		})
	}
	for _, path := range []string{
		"", "/", "devices/list", "https://evil.example/", "//evil.example/a", "/devices/", "/devices//list", "/devices/list?a=b", "/devices/list#a",
		"/devices/../list", "/./list", "/devices/..", "/devices%2flist", `/devices\list`, "/devices list", "/devices/list\n", "/dévices",
	} {
		err := client.Post(t.Context(), path, nil, nil)
		require.ErrorIs(t, err, seam.ErrInvalidParams, path)
		require.EqualError(t, err, "seam: Post: the path is not that of an endpoint; use one such as /devices/list", path)
	}
	_, err := seam.NewClient(seam.WithAPIKey("seam_test_key"), seam.WithIdempotent())
	require.ErrorIs(t, err, seam.ErrInvalidParams)
}

// TestPostResults lists 2xx responses and what becomes of them.
func TestPostResults(t *testing.T) {
	t.Parallel()
	type result struct {
		Devices []struct {
			DeviceID string `json:"device_id"`
		} `json:"devices"`
	}
	for name, tt := range map[string]struct {
		body string
		want string // the device ID
		err  string
	}{
		"content":             {body: `{"devices": [{"device_id": "1"}], "ok": true}`, want: "1"},
		"content without ok":  {body: `{"devices": [{"device_id": "1"}]}`, want: "1"},
		"a next page":         {body: `{"devices": [{"device_id": "1"}], "pagination": {"has_next_page": true}}`, want: "1"},
		"not ok":              {body: `{"devices": [{"device_id": "1"}], "ok": false}`, err: "says that the request failed"},
		"an error":            {body: `{"devices": [], "error": {"type": "t"}}`, err: "says that the request failed"},
		"another type":        {body: `{"devices": "seam_cst_secret"}`, err: "value of the wrong type, expected an array"},
		"null":                {body: `null`, err: "response is null"},
		"a list":              {body: `[]`, err: "expected an object"},
		"a page of a proxy":   {body: `<html>`, err: "invalid JSON"},
		"nothing":             {body: ``, err: "unexpected EOF"},
		"more than one value": {body: `{}{}`, err: "invalid JSON"},
		"more than 4 MiB":     {body: `{"a": "` + strings.Repeat("x", 4<<20) + `"}`, err: "more than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got result
			err := offline(t, answers(http.StatusOK, tt.body)).Post(t.Context(), "/devices/list", nil, &got)
			if tt.err != "" {
				assert.Equal(t, http.StatusOK, requireAPIError(t, err).StatusCode)
				require.ErrorContains(t, err, tt.err)
				assert.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.Len(t, got.Devices, 1)
			assert.Equal(t, tt.want, got.Devices[0].DeviceID)
		})
	}
	for body, done := range map[string]bool{`{}`: true, `{"ok": true}`: true, `{"device": {}, "ok": true}`: true, `{"device": {}}`: false, `<html>`: false, ``: false} {
		err := offline(t, answers(http.StatusOK, body)).Post(t.Context(), "/locks/lock_door", nil, nil)
		assert.Equal(t, done, err == nil, "%s without a result: %v", body, err)
	}
}

// quoting is a type whose own errors quote what it decodes.
type quoting struct{}

func (*quoting) UnmarshalJSON(text []byte) error { return errors.New("cannot decode " + string(text)) }

// TestPostHidesErrorsOfTypes has a result whose type quotes the response.
func TestPostHidesErrorsOfTypes(t *testing.T) {
	t.Parallel()
	var result struct{ Token quoting }
	err := offline(t, answers(http.StatusOK, `{"token": "a secret without a shape"}`)).Post(t.Context(), "/devices/list", nil, &result)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
}
