package seam_test

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/seamtest"
)

// TestMain puts a server of its own where the examples expect Seam, in place of
// what the environment of whoever runs them may have.
func TestMain(m *testing.M) {
	srv, err := seamtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	for name, value := range map[string]string{
		"SEAM_API_KEY":               srv.APIKey,
		"SEAM_ENDPOINT":              srv.URL,
		"SEAM_PERSONAL_ACCESS_TOKEN": "",
		"SEAM_WORKSPACE_ID":          "",
	} {
		if err := os.Setenv(name, value); err != nil {
			log.Fatal(err)
		}
	}
	status := m.Run()
	srv.Close()
	os.Exit(status)
}

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name     string
		env      map[string]string
		opts     []seam.Option
		want     map[string]string // headers; endpoint under its own name
		wantFail string
	}{
		{
			name: "API key",
			env:  map[string]string{"SEAM_API_KEY": "seam_env_key"},
			want: map[string]string{"Authorization": "Bearer seam_env_key", "endpoint": "https://connect.getseam.com"},
		},
		{
			name: "API key, with a workspace that it does not need",
			env:  map[string]string{"SEAM_API_KEY": "seam_env_key", "SEAM_WORKSPACE_ID": "w"},
			want: map[string]string{"Authorization": "Bearer seam_env_key", "Seam-Workspace": ""},
		},
		{
			name: "personal access token",
			env:  map[string]string{"SEAM_PERSONAL_ACCESS_TOKEN": "seam_at_env", "SEAM_WORKSPACE_ID": "w"},
			want: map[string]string{"Authorization": "Bearer seam_at_env", "Seam-Workspace": "w"},
		},
		{
			name: "endpoint",
			env:  map[string]string{"SEAM_API_KEY": "seam_env_key", "SEAM_ENDPOINT": "https://seam.test/"},
			want: map[string]string{"endpoint": "https://seam.test"},
		},
		{
			name: "options go before",
			env: map[string]string{
				"SEAM_API_KEY": "seam_env_key", "SEAM_PERSONAL_ACCESS_TOKEN": "seam_at_env", "SEAM_ENDPOINT": "no URL",
			},
			opts: []seam.Option{seam.WithAPIKey("seam_option"), seam.WithEndpoint("https://option.test")},
			want: map[string]string{"Authorization": "Bearer seam_option", "endpoint": "https://option.test"},
		},
		{
			name:     "both credentials",
			env:      map[string]string{"SEAM_API_KEY": "seam_env_key", "SEAM_PERSONAL_ACCESS_TOKEN": "seam_at_env"},
			wantFail: "seam: NewClient: both SEAM_API_KEY and SEAM_PERSONAL_ACCESS_TOKEN are set; unset one, or pass an option such as WithAPIKey",
		},
		{
			name:     "nothing",
			wantFail: "seam: NewClient: there is no credential; set SEAM_API_KEY, or pass an option such as WithAPIKey",
		},
		{
			name:     "API key with a line break",
			env:      map[string]string{"SEAM_API_KEY": "seam_env_key\n"},
			wantFail: "seam: NewClient: SEAM_API_KEY: the credential has a space, a line break or another invalid character; check how it was copied",
		},
		{
			name:     "personal access token without a workspace",
			env:      map[string]string{"SEAM_PERSONAL_ACCESS_TOKEN": "seam_at_env"},
			wantFail: "seam: NewClient: SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID: the workspace ID is empty",
		},
		{
			name:     "endpoint that is none",
			env:      map[string]string{"SEAM_API_KEY": "seam_env_key", "SEAM_ENDPOINT": "connect.getseam.com"},
			wantFail: "seam: NewClient: SEAM_ENDPOINT: the endpoint is not an http or https URL; use one such as https://connect.getseam.com",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"SEAM_API_KEY", "SEAM_PERSONAL_ACCESS_TOKEN", "SEAM_WORKSPACE_ID", "SEAM_ENDPOINT"} {
				t.Setenv(name, tt.env[name])
			}
			seen := map[string]string{}
			client, err := seam.NewClient(append(tt.opts, seam.WithHTTPClient(&http.Client{
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					seen["endpoint"] = req.URL.Scheme + "://" + req.URL.Host
					seen["Authorization"] = req.Header.Get("Authorization")
					seen["Seam-Workspace"] = req.Header.Get("Seam-Workspace")
					return response(http.StatusOK, done)
				}),
			}))...)
			if tt.wantFail != "" {
				require.ErrorIs(t, err, seam.ErrInvalidParams)
				require.EqualError(t, err, tt.wantFail)
				assert.Nil(t, client)
				return
			}
			require.NoError(t, err)
			t.Setenv("SEAM_API_KEY", "seam_too_late")
			require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
			for name, value := range tt.want {
				assert.Equal(t, value, seen[name], name)
			}
		})
	}
}

// TestRefusedOptions has one row for each way in which an option cannot be
// right. NewClient and each call refuse it alike, without quoting a credential.
func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	client := offline(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return response(http.StatusOK, done)
	})
	for _, tt := range []struct {
		name   string
		option seam.Option
		want   string
	}{
		{"empty API key", seam.WithAPIKey(""), "the credential is empty"},
		{"blank API key", seam.WithAPIKey(" "), "has a space"},
		{"API key without its end", seam.WithAPIKey("seam_"), "ends after its prefix"},
		{"client session token without its end", seam.WithClientSessionToken("seam_cst"), "ends after its prefix"},
		{"API key with a space", seam.WithAPIKey("seam_secret key"), "has a space"},
		{"API key with a line break", seam.WithAPIKey("seam_secret\n"), "has a space, a line break"},
		{"API key with a letter that none has", seam.WithAPIKey("seam_secrét"), "another invalid character"},
		{"API key of another vendor", seam.WithAPIKey("sk_secret"), "does not begin with seam_"},
		{"JWT as API key", seam.WithAPIKey("eyJsecret"), "JWT"},
		{"client session token as API key", seam.WithAPIKey("seam_cst1secret"), "give it to WithClientSessionToken"},
		{"personal access token as API key", seam.WithAPIKey("seam_at1_secret"), "give it to WithPersonalAccessToken"},
		{"publishable key as API key", seam.WithAPIKey("seam_pk1_secret"), "give it to WithPublishableKey"},
		{"API key as personal access token", seam.WithPersonalAccessToken("seam_secret", "w"), "give it to WithAPIKey"},
		{"client session token as personal access token", seam.WithPersonalAccessToken("seam_cst1secret", "w"), "give it to WithClientSessionToken"},
		{"personal access token for no workspace", seam.WithPersonalAccessToken("seam_at1_secret", ""), "the workspace ID is empty"},
		{"personal access token for a broken workspace", seam.WithPersonalAccessToken("seam_at1_secret", "w\n"), "the workspace ID has"},
		{"API key as client session token", seam.WithClientSessionToken("seam_secret"), "is an API key, not a client session token; pass the Token of the user's ClientSession"},
		{"empty client session token", seam.WithClientSessionToken(""), "the credential is empty"},
		{"client session token as publishable key", seam.WithPublishableKey("seam_cst1secret"), "give it to WithClientSessionToken"},
		{"API key as publishable key", seam.WithPublishableKey("seam_secret"), "give it to WithAPIKey"},

		{"empty endpoint", seam.WithEndpoint(""), "is not an http or https URL"},
		{"endpoint without a scheme", seam.WithEndpoint("connect.getseam.com"), "is not an http or https URL"},
		{"endpoint with another scheme", seam.WithEndpoint("ftp://seam.test"), "is not an http or https URL"},
		{"endpoint without a host", seam.WithEndpoint("https://:443/"), "is not an http or https URL"},
		{"endpoint that does not parse", seam.WithEndpoint("https://seam.test:secret/"), "is not an http or https URL"},
		{"endpoint with a user", seam.WithEndpoint("https://secret@seam.test"), "has a user or password"},
		{"endpoint with a query", seam.WithEndpoint("https://seam.test/?key=secret"), "has a query or fragment"},
		{"endpoint with an empty query", seam.WithEndpoint("https://seam.test/?"), "has a query or fragment"},
		{"endpoint with a fragment", seam.WithEndpoint("https://seam.test/#x"), "has a query or fragment"},
		{"plain http", seam.WithEndpoint("http://seam.test"), "is plain http"},
		{"plain http to a loopback in name alone", seam.WithEndpoint("http://localhost.evil.example"), "is plain http"},
		{"plain http to an address that begins as loopback", seam.WithEndpoint("http://127.0.0.1.evil.example"), "is plain http"},
		{"plain http to a host that a proxy may get", seam.WithEndpoint("http://LOCALHOST:8080"), "is plain http"},
		{"plain http to any address", seam.WithEndpoint("http://0.0.0.0"), "is plain http"},

		{"no http.Client", seam.WithHTTPClient(nil), "http.Client is nil"},
		{"no time", seam.WithTimeout(0), "is not positive"},
		{"negative time", seam.WithTimeout(-1), "is not positive"},
		{"negative retries", seam.WithMaxRetries(-1), "is negative"},
		{"nowhere for the response", seam.WithResponse(nil), "is nil"},

		{"header without a name", seam.WithHeader("", "x"), "use letters, digits and hyphens"},
		{"header with a space in its name", seam.WithHeader("X Tenant", "x"), "use letters, digits and hyphens"},
		{"header with a line break in its name", seam.WithHeader("X\r\nY", "x"), "use letters, digits and hyphens"},
		{"header with a control character", seam.WithHeader("X-Tenant", "secret\x7f"), "X-Tenant has a line break"},
		{"header with a line break", seam.WithHeader("X-Tenant", "secret\r\nY: z"), "X-Tenant has a line break"},
		{"header that authenticates", seam.WithHeader("authorization", "secret"), "use an option such as WithAPIKey"},
		{"header of another credential", seam.WithHeader("client-session-token", "secret"), "use an option such as WithAPIKey"},
		{"header of the body", seam.WithHeader("content-type", "text/plain"), "is set by this package"},
		{"header that changes the answer", seam.WithHeader("Accept-Encoding", "gzip"), "is set by this package"},
		{"header of the connection", seam.WithHeader("upgrade", "h2c"), "is for the connection"},
		{"header that net/http repeats requests for", seam.WithHeader("Idempotency-Key", "1"), "repeat requests by itself"},
		{"the same under its other name", seam.WithHeader("x-idempotency-key", "1"), "repeat requests by itself"},
		{"no option", nil, "an Option is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refused, err := seam.NewClient(seam.WithAPIKey("seam_test_key"), tt.option)
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "secr")
			assert.Nil(t, refused)

			err = client.ClientSessions.Revoke(t.Context(), sessionID, tt.option)
			require.ErrorIs(t, err, seam.ErrInvalidParams)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "secr")
		})
	}
}

func TestEndpointsThatAreReached(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]seam.Option{
		{seam.WithEndpoint("https://seam.test")},
		{seam.WithEndpoint("HTTPS://seam.test:8443/base")},
		{seam.WithEndpoint("http://localhost:8080")},
		{seam.WithEndpoint("http://127.1.2.3")},
		{seam.WithEndpoint("http://[::1]:8080")},
		{seam.WithInsecureHTTP(), seam.WithEndpoint("http://seam.test")},
		{seam.WithEndpoint("http://seam.test"), seam.WithInsecureHTTP()},
		{seam.WithEndpoint("http://seam.test"), seam.WithEndpoint("https://seam.test")},
	} {
		_, err := seam.NewClient(append(opts, seam.WithAPIKey("seam_test_key"))...)
		assert.NoError(t, err)
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			answer(http.StatusForbidden, `{"error": {"type": "no"}}`)(w, r)
			return
		}
		answer(http.StatusOK, twoSessions)(w, r)
	})
	sessions := client.ClientSessions
	var response seam.Response

	_, err := sessions.List(t.Context(), seam.ClientSessionListParams{}, seam.WithResponse(&response))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
	assert.Equal(t, "request1", response.RequestID)
	assert.Equal(t, 1, response.Attempts)
	assert.JSONEq(t, twoSessions, string(response.Body))

	_, err = sessions.List(t.Context(), seam.ClientSessionListParams{}, seam.WithResponse(&response), seam.WithHeader("X-Fail", "1"))
	require.Error(t, err)
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	assert.JSONEq(t, `{"error": {"type": "no"}}`, string(response.Body))

	require.NoError(t, all(t.Context(), sessions, seam.ClientSessionListParams{}, seam.WithResponse(&response)))
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Nil(t, response.Body, "All keeps nothing")

	require.Error(t, sessions.Revoke(t.Context(), "", seam.WithResponse(&response)))
	assert.Equal(t, seam.Response{}, response, "nothing was sent")

	response.StatusCode = 200
	require.Error(t, sessions.Revoke(t.Context(), sessionID, seam.WithTimeout(-1), seam.WithResponse(&response)))
	assert.Zero(t, response.StatusCode, "nothing was sent, whatever the order of the options")

	_, err = seam.NewClient(seam.WithAPIKey("seam_test_key"), seam.WithResponse(&response))
	require.ErrorIs(t, err, seam.ErrInvalidParams)
	assert.ErrorContains(t, err, "WithResponse is for a single call")
}

// TestPrintedResponseHidesItsBody prints a response in each way that there is.
func TestPrintedResponseHidesItsBody(t *testing.T) {
	t.Parallel()
	response := seam.Response{StatusCode: 200, RequestID: "request1", Body: []byte("seam_cst_secret")}
	var text, object bytes.Buffer
	newTestLogger(&text).Info("called", "response", response)
	slog.New(slog.NewJSONHandler(&object, nil)).Info("called", "response", &response)
	prints := []string{text.String(), object.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, response), fmt.Sprintf(verb, &response))
	}
	for _, print := range prints {
		assert.NotContains(t, print, "secret")
		assert.NotContains(t, print, fmt.Sprintf("%x", "secret"))
		assert.NotContains(t, print, "115 101 99 114 101 116")
	}
	assert.Contains(t, prints[0], "request1")
	assert.Equal(t, "{StatusCode:200 Header: RequestID:request1 Attempts:0 Body:REDACTED}", fmt.Sprintf("%+v", response))
	assert.NotContains(t, fmt.Sprintf("%+v", seam.Response{}), "REDACTED", "there is nothing to hide")
}

// TestOptionForACallLeavesTheClientAlone adds a header to a client that has one.
func TestOptionForACallLeavesTheClientAlone(t *testing.T) {
	t.Parallel()
	var seen []http.Header
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header)
		answer(http.StatusOK, done)(w, r)
	}, seam.WithHeader("X-Client", "client"))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID, seam.WithHeader("X-Client", "call"), seam.WithHeader("X-Call", "call")))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	assert.Equal(t, "call", seen[0].Get("X-Client"))
	assert.Equal(t, "call", seen[0].Get("X-Call"))
	assert.Equal(t, "client", seen[1].Get("X-Client"))
	assert.Empty(t, seen[1].Get("X-Call"))
}

// TestHTTPClientWithoutTransport has net/http's default one.
func TestHTTPClientWithoutTransport(t *testing.T) {
	t.Parallel()
	client := serve(t, answer(http.StatusOK, done), seam.WithHTTPClient(&http.Client{}))
	assert.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
}

// TestHTTPClientIsUsedAsItIs checks that the caller's client keeps its own
// settings, and what of it is taken over.
func TestHTTPClientIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	requests := 0
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		requests++
		return response(http.StatusOK, done)
	})
	own := &http.Client{Transport: transport}
	client := newClient(t, seam.WithHTTPClient(own))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	assert.Equal(t, 1, requests)
	assert.Nil(t, own.CheckRedirect)
	assert.Zero(t, own.Timeout)

	own.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return response(http.StatusForbidden, "") })
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID), "it was copied")
}
