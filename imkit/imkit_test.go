package imkit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/imkit"
	"github.com/seam-go/seam/imkit/imkittest"
	"github.com/seam-go/seam/internal/fake"
)

// These are from the example request in the API documentation.
const (
	apiKey   = "2JYpYhDaQlIQlDSvVLCLLo2MPzFfVm9jYpxw2vuBrmk="
	clientID = "1485248560558}"
	token    = "test-token$123"
)

const nothing = `{"RC": 0, "RM": "OK", "result": {"data": []}}`

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// offline returns a client that sends its requests to f.
func offline(tb testing.TB, f fake.Transport, opts ...imkit.Option) *imkit.Client {
	tb.Helper()
	client, err := imkit.NewClient("https://imkit.test", apiKey, append(opts, imkit.WithHTTPClient(&http.Client{Transport: f}))...)
	require.NoError(tb, err)
	return client
}

// operations are both operations behind one signature.
var operations = map[string]func(ctx context.Context, client *imkit.Client, clientID string) ([]imkit.Token, error){
	"Revoke": func(ctx context.Context, client *imkit.Client, clientID string) ([]imkit.Token, error) {
		return client.Tokens.Revoke(ctx, clientID, token)
	},
	"RevokeAll": func(ctx context.Context, client *imkit.Client, clientID string) ([]imkit.Token, error) {
		return client.Tokens.RevokeAll(ctx, clientID)
	},
}

// TestRequests compares what a server receives with requests written by hand.
func TestRequests(t *testing.T) {
	t.Parallel()
	common := http.Header{
		"Accept":          {"application/json"},
		"Accept-Encoding": {"gzip"}, // set by net/http
		"Im-Api-Key":      {"2JYpYhDaQlIQlDSvVLCLLo2MPzFfVm9jYpxw2vuBrmk="},
		"User-Agent":      {"seam-go/" + seam.Version},
	}
	withBody := common.Clone()
	withBody.Set("Content-Type", "application/json")
	withBody.Set("Content-Length", "26")
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for name, want := range map[string]struct {
			header http.Header
			body   string
		}{
			"Revoke":    {withBody, `{"token":"test-token$123"}`},
			"RevokeAll": {common, ""},
		} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				t.Parallel()
				requests := 0
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests++
					assert.Equal(t, protocol, r.Proto)
					assert.Equal(t, http.MethodDelete, r.Method)
					assert.Equal(t, "/admin/clients/1485248560558%7D/token", r.RequestURI)
					assert.Empty(t, cmp.Diff(want.header, r.Header))
					if protocol == "HTTP/1.1" { // HTTP/2 sends no length for an empty body
						assert.Equal(t, int64(len(want.body)), r.ContentLength)
					}
					assert.Empty(t, r.TransferEncoding)
					body, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					assert.Equal(t, want.body, string(body))
					_, _ = io.WriteString(w, nothing)
				}))
				server.EnableHTTP2 = protocol == "HTTP/2.0"
				server.StartTLS()
				defer server.Close()
				client, err := imkit.NewClient(server.URL, apiKey, imkit.WithHTTPClient(server.Client()))
				require.NoError(t, err)
				tokens, err := operations[name](t.Context(), client, clientID)
				require.NoError(t, err)
				assert.Equal(t, []imkit.Token{}, tokens)
				assert.Equal(t, 1, requests)
			})
		}
	}
}

// TestDocumentedResponse decodes the response in the API documentation.
func TestDocumentedResponse(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../testdata/imkit/revoked.json")
	require.NoError(t, err)
	want := []imkit.Token{
		{
			Token: "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6InNzcyIsIm5pY2tuYW1lIjoiU1NTIiwiYXZhdGFyVXJsIjoi" +
				"aHR0cDovL2xvcmVtZmxpY2tyLmNvbS8yNDAvMjQwL3N0eWxlPzE1OTE4NTg5ODkiLCJleHAiOjE1OTI0NjM3ODksImlhdCI6MTU5" +
				"MTg1ODk4OX0.bu8q6pZAHfJT2ut-AVlwhoJ2kIVoJUcJbmE2jsJT-u8",
			CreatedAt: time.Date(2020, 6, 11, 7, 3, 9, 831e6, time.UTC),
			UpdatedAt: time.Date(2020, 6, 11, 7, 3, 9, 831e6, time.UTC),
			ExpiresAt: time.Date(2020, 6, 18, 7, 3, 9, 830e6, time.UTC),
		},
		{
			Token: "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6InNzcyIsIm5pY2tuYW1lIjoiU1NTIiwiYXZhdGFyVXJsIjoi" +
				"aHR0cDovL2xvcmVtZmxpY2tyLmNvbS8yNDAvMjQwL3N0eWxlPzE1OTE4NTg5OTAiLCJleHAiOjE1OTI0NjM3OTAsImlhdCI6MTU5" +
				"MTg1ODk5MH0.qaPLz00M-u6XNj4UQzcPUG5N5T_qKI3Hms_AfmXt9UY",
			CreatedAt: time.Date(2020, 6, 11, 7, 3, 10, 537e6, time.UTC),
			UpdatedAt: time.Date(2020, 6, 11, 7, 3, 10, 537e6, time.UTC),
			ExpiresAt: time.Date(2020, 6, 18, 7, 3, 10, 537e6, time.UTC),
		},
	}
	for name, call := range operations {
		tokens, err := call(t.Context(), offline(t, fake.Responds(http.StatusOK, string(body))), clientID)
		require.NoError(t, err, name)
		assert.Empty(t, cmp.Diff(want, tokens), name)
	}
}

// TestLenientDecoding decodes responses with unexpected but harmless values.
func TestLenientDecoding(t *testing.T) {
	t.Parallel()
	expires := time.Date(2020, 6, 18, 7, 3, 9, 830e6, time.UTC)
	for body, want := range map[string]imkit.Token{
		`{"token": "a"}`: {Token: "a"},
		`{"token": "a", "createdAt": null, "expirationDate": null, "expirationDateMS": null}`:                     {Token: "a"},
		`{"token": "a", "createdAt": "", "updatedAt": "today", "expirationDate": {}, "expirationDateMS": "soon"}`: {Token: "a"},
		`{"token": "a", "expirationDateMS": 1592463789830}`:                                                       {Token: "a", ExpiresAt: expires},
		`{"token": "a", "expirationDate": "2020-06-18T07:03:09.830Z", "expirationDateMS": 1}`:                     {Token: "a", ExpiresAt: expires},
		`{"token": "a", "expirationDate": "2020-06-18T09:03:09.830+02:00", "client": {"b": 1}}`:                   {Token: "a", ExpiresAt: expires},
		`{"token": "a", "createdAt": -1e18, "updatedAt": 1e300, "expirationDateMS": 1e18}`:                        {Token: "a"},
		`{"token": "a", "expirationDate": "9999-12-31T23:59:59-01:00", "createdAt": "0000-01-01T00:00:00+01:00"}`: {Token: "a"},
	} {
		tokens, err := offline(t, fake.Responds(http.StatusCreated, `{"RC": 0, "more": [], "result": {"data": [`+body+`], "more": 1}}`)).
			Tokens.RevokeAll(t.Context(), clientID)
		require.NoError(t, err, body)
		assert.Empty(t, cmp.Diff([]imkit.Token{want}, tokens), body)
		assert.NotSame(t, time.Local, tokens[0].ExpiresAt.Location(), body)
		_, err = json.Marshal(tokens)
		require.NoError(t, err, body)
	}
}

// TestMemory decodes responses of 4 MiB that would take much more in memory if they
// were decoded at once.
//
//nolint:paralleltest // it counts the allocations of the whole process
func TestMemory(t *testing.T) {
	for name, tt := range map[string]struct {
		data string
		most uint64 // MiB allocated in total
	}{
		"tokens without a text": {strings.Repeat("{},", 1_390_000) + "{}", 400},
		"nested values":         {`{"token": "a", "createdAt": [` + strings.Repeat(`{"":0},`, 590_000) + `0]}`, 100},
	} {
		client := offline(t, fake.Responds(http.StatusOK, `{"RC": 0, "result": {"data": [`+tt.data+`]}}`))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := client.Tokens.RevokeAll(t.Context(), clientID)
		runtime.ReadMemStats(&after)
		assert.Equal(t, name == "nested values", err == nil, err)
		assert.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, tt.most, name)
	}
}

// TestInvalidParams lists the arguments for which no request is sent.
func TestInvalidParams(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.ErrUnexpectedEOF
	})
	const (
		segment = `the client ID has an empty, "." or ".." path segment, which proxies remove; use one without it`
		syntax  = `the client ID has a '\', ';', '?' or '#', which proxies may take for a separator; use one without it`
		escape  = "the client ID has a percent escape, which proxies may decode; pass it unescaped"
		control = "the client ID has a control character, such as a line break; remove it"
	)
	for id, want := range map[string]string{
		"":                 "the client ID is blank; set it",
		"\t\n":             "the client ID is blank; set it",
		"\u00a0":           "the client ID is blank; set it",
		"jane\xff":         "the client ID is not valid UTF-8; pass UTF-8",
		".":                segment,
		"..":               segment,
		"../jane":          segment,
		"jane/.":           segment,
		"jane/../joe":      segment,
		"/":                segment,
		"/jane":            segment,
		"jane/":            segment,
		"x//jane":          segment,
		`jane\..\joe`:      syntax,
		`jane\`:            syntax,
		"x/..;/jane":       syntax,
		"jane;x":           syntax,
		"jane/token?":      syntax,
		"jane#":            syntax,
		"x/%2e%2E/jane":    escape,
		"x%2f..%2Fjane":    escape,
		"x%252e%252e":      escape,
		"1485248560558%7D": escape,
		"jane\n":           control,
		"jane\x00":         control,
	} {
		for name, call := range operations {
			tokens, err := call(t.Context(), client, id)
			require.ErrorIs(t, err, imkit.ErrInvalidParams)
			require.EqualError(t, err, "imkit: Tokens."+name+": "+want, id)
			assert.Nil(t, tokens)
		}
	}
	for token, want := range map[string]string{
		"":      "the token is blank; set it",
		" ":     "the token is blank; set it",
		"a\xff": "the token is not valid UTF-8; pass UTF-8",
	} {
		_, err := client.Tokens.Revoke(t.Context(), clientID, token)
		require.ErrorIs(t, err, imkit.ErrInvalidParams)
		require.EqualError(t, err, "imkit: Tokens.Revoke: "+want)
	}
	for name, call := range operations {
		_, err := call(nil, client, clientID)
		require.ErrorIs(t, err, imkit.ErrInvalidParams)
		require.EqualError(t, err, "imkit: Tokens."+name+": the context is nil; use context.Background")
	}
}

// TestInvalidOptions lists arguments that NewClient rejects.
func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, endpoint, apiKey string
		option                 imkit.Option
		want                   string
	}{
		{name: "no endpoint, nor a key", want: "the endpoint is not an http or https URL; use one such as https://imkit.example.com"},
		{name: "key and endpoint swapped", endpoint: apiKey, apiKey: "https://imkit.test", want: "the endpoint is not an http or https URL; use one such as https://imkit.example.com"},
		{name: "key in the endpoint", endpoint: "https://secret@imkit.test", apiKey: apiKey, want: "the endpoint has a user or password; pass the API key as the second argument"},
		{name: "query", endpoint: "https://imkit.test?key=secret", apiKey: apiKey, want: "the endpoint has a query or fragment; remove it"},
		{name: "no key", endpoint: "https://imkit.test", want: "the API key is empty; set it"},
		{name: "key with a line break", endpoint: "https://imkit.test", apiKey: "secret\n", want: "the API key has a space, a line break or another invalid character; remove it"},
		{name: "plain http", endpoint: "http://104.199.197.188:3100", apiKey: apiKey, want: "the endpoint is plain http, which sends the credential unencrypted; use https, or allow it with WithInsecureHTTP"},
		{name: "no http.Client", endpoint: "https://imkit.test", apiKey: apiKey, option: imkit.WithHTTPClient(nil), want: "the http.Client is nil; omit WithHTTPClient to use the default"},
		{name: "no option", endpoint: "https://imkit.test", apiKey: apiKey, want: "an Option is nil"},
		{name: "the first of two", endpoint: "https://imkit.test", option: imkit.WithHTTPClient(nil), want: "the API key is empty; set it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := []imkit.Option{tt.option}
			if tt.option == nil && tt.name != "no option" {
				opts = nil
			}
			client, err := imkit.NewClient(tt.endpoint, tt.apiKey, opts...)
			require.ErrorIs(t, err, imkit.ErrInvalidParams)
			require.EqualError(t, err, "imkit: NewClient: "+tt.want)
			assert.Nil(t, client)
		})
	}
}

// TestEndpoints checks the URLs of requests.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"https://imkit.test":               "https://imkit.test/admin/clients/a%2Fb/token",
		"https://imkit.test/chat%2Fapi/1/": "https://imkit.test/chat%2Fapi/1/admin/clients/a%2Fb/token",
		"http://localhost:3100":            "http://localhost:3100/admin/clients/a%2Fb/token",
		"http://104.199.197.188:3100":      "http://104.199.197.188:3100/admin/clients/a%2Fb/token",
	} {
		client, err := imkit.NewClient(endpoint, apiKey, imkit.WithInsecureHTTP(), imkit.WithHTTPClient(&http.Client{
			Transport: fake.Transport(func(req *http.Request) (*http.Response, error) {
				assert.Equal(t, want, req.URL.String())
				return fake.Responds(http.StatusOK, nothing)(req)
			}),
		}))
		require.NoError(t, err)
		_, err = client.Tokens.RevokeAll(t.Context(), "a/b")
		require.NoError(t, err)
	}
}

// TestHTTPClient passes an http.Client without a Transport.
func TestHTTPClient(t *testing.T) {
	t.Parallel()
	srv := imkittest.NewServer(t)
	srv.AddToken(clientID)
	_, err := srv.Client(t, imkit.WithHTTPClient(&http.Client{})).Tokens.RevokeAll(t.Context(), clientID)
	require.NoError(t, err, "a nil Transport is http.DefaultTransport")
	assert.Len(t, srv.Requests(), 1)
}

// TestLogs checks the log of a call with two retries. It must contain neither the key
// nor the token nor the client ID.
func TestLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "retry_in" {
				return slog.Attr{}
			}
			return a
		}}))
		script := []fake.Transport{fake.Responds(http.StatusServiceUnavailable, ""), fake.Fails(fmt.Errorf("lost %s %s", apiKey, token)), fake.Responds(http.StatusOK, nothing)}
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			now := script[0]
			script = script[1:]
			return now(req)
		}, imkit.WithLogger(logger))
		_, err := client.Tokens.Revoke(t.Context(), clientID, token)
		require.NoError(t, err)
		const operation = "msg=\"HTTP attempt\" operation=Tokens.Revoke "
		assert.Equal(t, "level=WARN "+operation+"attempt=1 status=503 duration=0s\n"+
			"level=WARN "+operation+"attempt=2 duration=0s error=\"lost REDACTED REDACTED\"\n"+
			"level=DEBUG "+operation+"attempt=3 status=200 duration=0s\n", log.String())
	})
}
