package seam_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/fake"
)

// TestEnvironment tests what NewClient reads from the environment.
func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name     string
		env      map[string]string
		opts     []seam.Option
		want     map[string]string // headers, and the endpoint
		wantFail string
	}{
		{
			name: "API key",
			env:  map[string]string{"SEAM_API_KEY": "seam_env_key"},
			want: map[string]string{"Authorization": "Bearer seam_env_key", "endpoint": "https://connect.getseam.com"},
		},
		{
			name: "API key with a workspace",
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
			name: "options override the environment",
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
			name:     "no credential",
			wantFail: "seam: NewClient: there is no credential; set SEAM_API_KEY, or pass an option such as WithAPIKey",
		},
		{
			name:     "API key with a line break",
			env:      map[string]string{"SEAM_API_KEY": "seam_env_key\n"},
			wantFail: "seam: NewClient: SEAM_API_KEY: the credential has a space, a line break or another invalid character; remove it",
		},
		{
			name:     "personal access token without a workspace",
			env:      map[string]string{"SEAM_PERSONAL_ACCESS_TOKEN": "seam_at_env"},
			wantFail: "seam: NewClient: SEAM_PERSONAL_ACCESS_TOKEN with SEAM_WORKSPACE_ID: the workspace ID is empty; set it",
		},
		{
			name:     "invalid endpoint",
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
				Transport: fake.Transport(func(req *http.Request) (*http.Response, error) {
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

// TestInvalidOptions tests that NewClient and calls reject invalid options, without
// quoting credentials.
func TestInvalidOptions(t *testing.T) {
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
		{"API key that is only a prefix", seam.WithAPIKey("seam_"), "is only its prefix"},
		{"client session token that is only a prefix", seam.WithClientSessionToken("seam_cst"), "is only its prefix"},
		{"API key with a space", seam.WithAPIKey("seam_secret key"), "has a space"},
		{"API key with a line break", seam.WithAPIKey("seam_secret\n"), "has a space, a line break"},
		{"API key with a non-ASCII letter", seam.WithAPIKey("seam_secrét"), "another invalid character"},
		{"API key of another vendor", seam.WithAPIKey("sk_secret"), "does not begin with seam_"},
		{"JWT as API key", seam.WithAPIKey("eyJsecret"), "JWT"},
		{"client session token as API key", seam.WithAPIKey("seam_cst1secret"), "pass it to WithClientSessionToken"},
		{"personal access token as API key", seam.WithAPIKey("seam_at1_secret"), "pass it to WithPersonalAccessToken"},
		{"publishable key as API key", seam.WithAPIKey("seam_pk1_secret"), "pass it to WithPublishableKey"},
		{"API key as personal access token", seam.WithPersonalAccessToken("seam_secret", "w"), "pass it to WithAPIKey"},
		{"client session token as personal access token", seam.WithPersonalAccessToken("seam_cst1secret", "w"), "pass it to WithClientSessionToken"},
		{"personal access token for no workspace", seam.WithPersonalAccessToken("seam_at1_secret", ""), "the workspace ID is empty"},
		{"personal access token for a broken workspace", seam.WithPersonalAccessToken("seam_at1_secret", "w\n"), "the workspace ID has"},
		{"API key as client session token", seam.WithClientSessionToken("seam_secret"), "is an API key, not a client session token; pass the Token of the user's ClientSession"},
		{"empty client session token", seam.WithClientSessionToken(""), "the credential is empty"},
		{"another text as client session token", seam.WithClientSessionToken("secret"), "pass the Token of the user's ClientSession"},
		{"client session token as publishable key", seam.WithPublishableKey("seam_cst1secret"), "pass it to WithClientSessionToken"},
		{"API key as publishable key", seam.WithPublishableKey("seam_secret"), "pass it to WithAPIKey"},

		{"empty endpoint", seam.WithEndpoint(""), "is not an http or https URL"},
		{"endpoint without a scheme", seam.WithEndpoint("connect.getseam.com"), "is not an http or https URL"},
		{"endpoint with another scheme", seam.WithEndpoint("ftp://seam.test"), "is not an http or https URL"},
		{"endpoint with a port that is too large", seam.WithEndpoint("https://seam.test:99999"), "is not an http or https URL"},
		{"endpoint without a host", seam.WithEndpoint("https://:443/"), "is not an http or https URL"},
		{"endpoint that does not parse", seam.WithEndpoint("https://seam.test:secret/"), "is not an http or https URL"},
		{"endpoint with a user", seam.WithEndpoint("https://secret@seam.test"), "has a user or password"},
		{"endpoint with a query", seam.WithEndpoint("https://seam.test/?key=secret"), "has a query or fragment"},
		{"endpoint with an empty query", seam.WithEndpoint("https://seam.test/?"), "has a query or fragment"},
		{"endpoint with a fragment", seam.WithEndpoint("https://seam.test/#x"), "has a query or fragment"},
		{"plain http", seam.WithEndpoint("http://seam.test"), "is plain http"},
		{"plain http to a name that begins with localhost", seam.WithEndpoint("http://localhost.evil.example"), "is plain http"},
		{"plain http to a name that begins with 127.0.0.1", seam.WithEndpoint("http://127.0.0.1.evil.example"), "is plain http"},
		{"plain http to LOCALHOST, for which net/http may use a proxy", seam.WithEndpoint("http://LOCALHOST:8080"), "is plain http"},
		{"plain http to 0.0.0.0", seam.WithEndpoint("http://0.0.0.0"), "is plain http"},

		{"nil http.Client", seam.WithHTTPClient(nil), "http.Client is nil"},
		{"zero timeout", seam.WithTimeout(0), "is not positive"},
		{"negative timeout", seam.WithTimeout(-1), "is not positive"},
		{"negative retries", seam.WithMaxRetries(-1), "is negative"},
		{"nil Response", seam.WithResponse(nil), "is nil"},

		{"header without a name", seam.WithHeader("", "x"), "use letters, digits and hyphens"},
		{"header with a space in its name", seam.WithHeader("X Tenant", "x"), "use letters, digits and hyphens"},
		{"header with a line break in its name", seam.WithHeader("X\r\nY", "x"), "use letters, digits and hyphens"},
		{"header with a control character", seam.WithHeader("X-Tenant", "secret\x7f"), "X-Tenant has a line break"},
		{"header with a line break", seam.WithHeader("X-Tenant", "secret\r\nY: z"), "X-Tenant has a line break"},
		{"header that authenticates", seam.WithHeader("authorization", "secret"), "use an option such as WithAPIKey"},
		{"header of another credential", seam.WithHeader("client-session-token", "secret"), "use an option such as WithAPIKey"},
		{"header of the body", seam.WithHeader("content-type", "text/plain"), "describes the body or the host"},
		{"header that changes the response", seam.WithHeader("Accept-Encoding", "gzip"), "describes the body or the host"},
		{"header of the connection", seam.WithHeader("upgrade", "h2c"), "is for the connection"},
		{"header that net/http repeats requests for", seam.WithHeader("Idempotency-Key", "1"), "makes net/http repeat requests"},
		{"header that net/http treats in the same way", seam.WithHeader("x-idempotency-key", "1"), "makes net/http repeat requests"},
		{"header with the name of the SDK", seam.WithHeader("seam-sdk-name", "secret"), "use User-Agent"},
		{"header with the version of the SDK", seam.WithHeader("Seam-Sdk-Version", "secret"), "use User-Agent"},
		{"nil Option", nil, "an Option is nil"},
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

// TestValidEndpoints tests endpoints that NewClient accepts.
func TestValidEndpoints(t *testing.T) {
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

// TestEndpointKeepsItsPath tests that requests go to paths below that of the
// endpoint.
func TestEndpointKeepsItsPath(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"https://seam.test/proxy%2Fed/v1", "https://seam.test/proxy%2Fed/v1//"} {
		client := offline(t, func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "https://seam.test/proxy%2Fed/v1/client_sessions/revoke", req.URL.String())
			return response(http.StatusOK, done)
		}, seam.WithEndpoint(endpoint))
		require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	}
}

// TestHeaders tests the headers that options set, on a client and on a call.
func TestHeaders(t *testing.T) {
	t.Parallel()
	common := map[string]string{
		"Accept":           "application/json",
		"Content-Type":     "application/json",
		"Seam-Sdk-Name":    "seam-go",
		"Seam-Sdk-Version": seam.Version,
	}
	credentials := []string{"Authorization", "Seam-Workspace", "Seam-Publishable-Key", "Client-Session-Token", "Cookie"}
	for _, tt := range []struct {
		name string
		opts []seam.Option
		want map[string]string
	}{
		{
			name: "API key",
			want: map[string]string{"Authorization": "Bearer seam_test_key"},
		},
		{
			name: "personal access token",
			opts: []seam.Option{seam.WithPersonalAccessToken("seam_at1_token", "workspace_1")},
			want: map[string]string{"Authorization": "Bearer seam_at1_token", "Seam-Workspace": "workspace_1"},
		},
		{
			name: "client session token",
			opts: []seam.Option{seam.WithClientSessionToken("seam_cst1_token")},
			want: map[string]string{"Authorization": "Bearer seam_cst1_token"},
		},
		{
			name: "publishable key",
			opts: []seam.Option{seam.WithPublishableKey("seam_pk1_token")},
			want: map[string]string{"Seam-Publishable-Key": "seam_pk1_token"},
		},
		{
			name: "the last credential wins",
			opts: []seam.Option{
				seam.WithPersonalAccessToken("seam_at1_token", "workspace_1"),
				seam.WithPublishableKey("seam_pk1_token"),
			},
			want: map[string]string{"Seam-Publishable-Key": "seam_pk1_token"},
		},
		{
			name: "own headers",
			opts: []seam.Option{
				seam.WithHeader("x-tenant", "first"),
				seam.WithHeader("X-Tenant", "second"),
				seam.WithHeader("X-Empty", ""),
				seam.WithHeader("User-Agent", "backend/1"),
			},
			want: map[string]string{"Authorization": "Bearer seam_test_key", "X-Tenant": "second", "User-Agent": "backend/1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var seen []http.Header
			handler := func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.Header)
				respond(http.StatusOK, done)(w, r)
			}
			onClient, onCall := serve(t, handler, tt.opts...), serve(t, handler)
			require.NoError(t, onClient.ClientSessions.Revoke(t.Context(), sessionID))
			require.NoError(t, onCall.ClientSessions.Revoke(t.Context(), sessionID, tt.opts...))
			require.NoError(t, onCall.ClientSessions.Revoke(t.Context(), sessionID))

			for _, header := range seen[:2] {
				for name, value := range common {
					assert.Equal(t, []string{value}, header[name], name)
				}
				for name, value := range tt.want {
					assert.Equal(t, []string{value}, header[name], name)
				}
				for _, name := range credentials {
					assert.Equal(t, tt.want[name] != "", header.Get(name) != "", name)
				}
				if tt.want["User-Agent"] == "" {
					assert.Regexp(t, "^seam-go/"+regexp.QuoteMeta(seam.Version)+` \(go.*; \w+/\w+\)$`, header.Get("User-Agent"))
				}
			}
			assert.Equal(t, "Bearer seam_test_key", seen[2].Get("Authorization"), "an option of a call does not apply to the next")
			assert.Empty(t, seen[2].Get("X-Tenant"), "an option of a call does not apply to the next")
		})
	}
}

// TestCallOptionsDoNotChangeTheClient tests that an option of a call does not apply
// to later calls.
func TestCallOptionsDoNotChangeTheClient(t *testing.T) {
	t.Parallel()
	var seen []http.Header
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header)
		respond(http.StatusOK, done)(w, r)
	}, seam.WithHeader("X-Client", "client"))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID, seam.WithHeader("X-Client", "call"), seam.WithHeader("X-Call", "call")))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	assert.Equal(t, "call", seen[0].Get("X-Client"))
	assert.Equal(t, "call", seen[0].Get("X-Call"))
	assert.Equal(t, "client", seen[1].Get("X-Client"))
	assert.Empty(t, seen[1].Get("X-Call"))
}

// TestHTTPClientWithoutTransport tests that a nil Transport is net/http's default.
func TestHTTPClientWithoutTransport(t *testing.T) {
	t.Parallel()
	client := serve(t, respond(http.StatusOK, done), seam.WithHTTPClient(&http.Client{}))
	assert.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
}

// TestHTTPClientIsCopied tests that NewClient does not change the caller's
// http.Client, and that later changes to that do not affect the Client.
func TestHTTPClientIsCopied(t *testing.T) {
	t.Parallel()
	requests := 0
	transport := fake.Transport(func(*http.Request) (*http.Response, error) {
		requests++
		return response(http.StatusOK, done)
	})
	own := &http.Client{Transport: transport}
	client := newClient(t, seam.WithHTTPClient(own))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID))
	assert.Equal(t, 1, requests)
	assert.Nil(t, own.CheckRedirect)
	assert.Zero(t, own.Timeout)

	own.Transport = fake.Transport(func(*http.Request) (*http.Response, error) { return response(http.StatusForbidden, "") })
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID), "the transport was copied")
}

// TestTimeout tests where the timeout of an attempt comes from.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []seam.Option
		want time.Duration
	}{
		{name: "default", want: 30 * time.Second},
		{name: "given", opts: []seam.Option{seam.WithTimeout(7 * time.Second)}, want: 7 * time.Second},
		{
			name: "of the http.Client",
			opts: []seam.Option{seam.WithHTTPClient(&http.Client{Transport: fake.Transport(fake.Hangs), Timeout: 9 * time.Second})},
			want: 9 * time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				client := offline(t, fake.Hangs, append(tt.opts, seam.WithMaxRetries(0))...)
				err := client.ClientSessions.Revoke(t.Context(), sessionID)
				assert.Equal(t, tt.want, time.Since(start))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Contains(t, err.Error(), "timed out after "+tt.want.String())
				var timeout net.Error
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
			})
		})
	}
}

// TestMaxRetries tests how many attempts WithMaxRetries allows.
func TestMaxRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			client := offline(t, fake.Responds(http.StatusInternalServerError, ""), seam.WithMaxRetries(retries))
			err := client.ClientSessions.Revoke(t.Context(), sessionID)
			assert.Equal(t, retries+1, requireAPIError(t, err).Attempts)
		})
	}
}

// TestResponse tests what WithResponse stores.
func TestResponse(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			respond(http.StatusForbidden, `{"error": {"type": "no"}}`)(w, r)
			return
		}
		respond(http.StatusOK, twoSessions)(w, r)
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
	assert.Zero(t, response.StatusCode, "nothing was sent, in any order of the options")

	_, err = seam.NewClient(seam.WithAPIKey("seam_test_key"), seam.WithResponse(&response))
	require.ErrorIs(t, err, seam.ErrInvalidParams)
	assert.ErrorContains(t, err, "WithResponse is for a single call")
}

// TestLogger tests the lines that WithLogger logs.
func TestLogger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		attempts := []fake.Transport{fake.Responds(503, "").With("Retry-After", "2"), fake.Fails(fake.DialError(syscall.ECONNREFUSED)), fake.Responds(http.StatusOK, oneSession)}
		client := offline(t, fake.Script(attempts...), seam.WithLogger(newTestLogger(&log)))
		_, err := client.ClientSessions.Get(t.Context(), seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"})
		require.NoError(t, err)

		const call = `msg="HTTP attempt" operation=ClientSessions.Get attempt=`
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 3)
		assert.Regexp(t, `^level=WARN `+call+`1 status=503 request_id=request1 duration=0s retry_in=2\.\d+s$`, lines[0])
		assert.Regexp(t, `^level=WARN `+call+`2 duration=0s retry_in=[4-7]\d\d\.\d+ms error="dial tcp: connection refused"$`, lines[1])
		assert.Equal(t, `level=DEBUG `+call+`3 status=200 request_id=request1 duration=0s`, lines[2])
	})
}

// TestObserver tests the attempts that WithObserver reports.
func TestObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := fake.DialError(syscall.ECONNREFUSED)
		attempts := []fake.Transport{
			fake.Responds(503, "").With("Retry-After", "5").After(time.Second), fake.Fails(refused).After(2 * time.Second),
			fake.Responds(200, oneSession).After(3 * time.Second),
			fake.Responds(404, "").After(time.Second),
		}
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		var seen []seam.Attempt
		client := offline(t, fake.Script(attempts...), seam.WithObserver(func(ctx context.Context, attempt seam.Attempt) {
			assert.Equal(t, "value", ctx.Value(key{}), "the context is that of the call")
			seen = append(seen, attempt)
		}))
		params := seam.ClientSessionGetParams{UserIdentifierKey: "jane_doe"}
		_, err := client.ClientSessions.Get(ctx, params)
		require.NoError(t, err)
		require.Len(t, seen, 3)
		assert.GreaterOrEqual(t, seen[0].RetryIn, 5*time.Second)
		seen[0].RetryIn = 0
		assert.Equal(t, seam.Attempt{
			Operation: "ClientSessions.Get", Number: 1, StatusCode: 503, RequestID: "request1", Duration: time.Second,
		}, seen[0])
		assert.Equal(t, seam.Attempt{
			Operation: "ClientSessions.Get", Number: 3, StatusCode: 200, RequestID: "request1", Duration: 3 * time.Second,
		}, seen[2])
		require.ErrorIs(t, seen[1].Err, syscall.ECONNREFUSED)
		assert.Positive(t, seen[1].RetryIn)
		seen[1].Err, seen[1].RetryIn = nil, 0
		assert.Equal(t, seam.Attempt{Operation: "ClientSessions.Get", Number: 2, Duration: 2 * time.Second}, seen[1])

		seen = nil
		_, err = client.ClientSessions.Get(ctx, params)
		require.ErrorIs(t, err, seam.ErrNotFound)
		assert.Equal(t, []seam.Attempt{
			{Operation: "ClientSessions.Get", Number: 1, StatusCode: 404, RequestID: "request1", Duration: time.Second},
		}, seen, "a non-2xx status is not an Err")
	})
}

// TestObserverContextEnds tests that the attempt that the context ended is
// reported, and that a call that sends nothing reports none.
func TestObserverContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []seam.Attempt
		client := offline(t, fake.Hangs, seam.WithObserver(func(_ context.Context, attempt seam.Attempt) { seen = append(seen, attempt) }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			require.ErrorIs(t, client.Post(ctx, "/devices/list", nil, nil), context.DeadlineExceeded)
		}
		require.Error(t, client.Post(t.Context(), "", nil, nil))
		require.Len(t, seen, 1)
		require.ErrorIs(t, seen[0].Err, context.DeadlineExceeded)
		seen[0].Err = nil
		assert.Equal(t, seam.Attempt{Operation: "Post /devices/list", Number: 1, Duration: time.Second}, seen[0])
	})
}

// TestObserverPanics tests that the caller can recover a panic of the observer,
// even if RevokeAll called it in another goroutine.
func TestObserverPanics(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	client := offline(t, func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/client_sessions/list" {
			return response(http.StatusOK, listOfJane(3))
		}
		return response(http.StatusOK, done)
	}, seam.WithObserver(func(context.Context, seam.Attempt) {
		if calls.Add(1) > 1 {
			panic("in the observer")
		}
	}))
	assert.PanicsWithValue(t, "in the observer", func() {
		_, _ = client.ClientSessions.RevokeAll(t.Context(), ofJane)
	})
	assert.PanicsWithValue(t, "in the observer", func() {
		_ = client.ClientSessions.Revoke(t.Context(), sessionID)
	})
}

// TestCallObserver tests that the observer of a call replaces that of the client,
// and that nil is no observer.
func TestCallObserver(t *testing.T) {
	t.Parallel()
	count := func(n *int) seam.Option {
		return seam.WithObserver(func(context.Context, seam.Attempt) { *n++ })
	}
	ofClient, ofCall := 0, 0
	client := offline(t, fake.Responds(http.StatusOK, done), count(&ofClient))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID, count(&ofCall)))
	require.NoError(t, client.ClientSessions.Revoke(t.Context(), sessionID, seam.WithObserver(nil)))
	assert.Equal(t, []int{0, 1}, []int{ofClient, ofCall})
}
