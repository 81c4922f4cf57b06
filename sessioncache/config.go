package sessioncache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seam-go/seam"
)

// Config configures a [Cache]. The zero value is valid.
type Config struct {
	// Lifetime is the lifetime of new sessions, and of renewed ones. If it is zero, Seam chooses
	// it, and sessions are replaced rather than extended.
	Lifetime time.Duration

	// RefreshBefore sets when a session is renewed: at a random time between twice RefreshBefore
	// and RefreshBefore before its expiry, so that sessions that were created together are not
	// renewed together. The default is 5 minutes, or a tenth of Lifetime if that is shorter.
	//
	// If a new session lives no longer than RefreshBefore, it is used until it expires.
	RefreshBefore time.Duration

	// MaxUsers is the maximum number of users with a session in memory. When it is exceeded,
	// the sessions that were not used for the longest time are removed from the cache, but not
	// revoked. The default is 100,000. MaxUsers must be zero if Store is set.
	MaxUsers int

	// MaxFetches is the maximum number of fetches at once. Other calls of Session that need one
	// wait. The default is 64.
	MaxFetches int

	// Timeout is how long a call of Session waits at most, and how long a fetch takes at most.
	// The default is 10 seconds.
	Timeout time.Duration

	// Params returns the params for the session of a user, such as the accounts that it can
	// access. If it is nil, they have only the user identifier key and the expiry. If a session
	// lacks any of that access, the cache grants it. ExpiresAt overrides Lifetime.
	// UserIdentifierKey can be empty.
	//
	// Params is called once in each fetch, and must be safe for concurrent use. If it fails, Session
	// returns its error, or the old session if that is still valid.
	Params func(ctx context.Context, userIdentifierKey string) (seam.ClientSessionGetOrCreateParams, error)

	// Store stores the sessions. If it is nil, they are in the memory of the process.
	Store Store

	// Namespace separates caches that share a Store: those with different ones have no sessions in
	// common. Set it to the ID of the workspace if there are several. Sessions of another workspace
	// than that of the client are always ignored. Without a Namespace, the cache learns that
	// workspace from the first response of Seam. Until then it ignores all sessions that were
	// fetched with another credential.
	Namespace string

	// Logger receives the failures of Seam, of the Store and of the handler. If it is nil,
	// nothing is logged. Logs contain no tokens, credentials or user identifier keys.
	Logger *slog.Logger
}

// invalid is an error that matches [seam.ErrInvalidParams].
type invalid string

func (e invalid) Error() string        { return "sessioncache: " + string(e) }
func (e invalid) Is(target error) bool { return target == seam.ErrInvalidParams }

// New returns a cache that gets its sessions with client. It sends no request. Its errors match
// [seam.ErrInvalidParams]. A client that authenticates with a client session token is rejected,
// because it cannot create sessions.
func New(client *seam.Client, config Config) (*Cache, error) {
	if client == nil || client.ClientSessions == nil {
		return nil, invalid("New: the client is nil; create one with seam.NewClient")
	}
	if isClientSession(client) {
		return nil, invalid("New: the client authenticates with a client session token, which cannot create sessions; use an API key")
	}
	switch {
	case config.Lifetime < 0:
		return nil, invalid("New: Lifetime is negative; omit it to use the default of Seam")
	case config.RefreshBefore < 0:
		return nil, invalid("New: RefreshBefore is negative; omit it to use the default")
	case config.MaxUsers < 0:
		return nil, invalid("New: MaxUsers is negative; omit it to use the default")
	case config.MaxFetches < 0:
		return nil, invalid("New: MaxFetches is negative; omit it to use the default")
	case config.Timeout < 0:
		return nil, invalid("New: Timeout is negative; omit it to use the default")
	case config.MaxUsers > 0 && config.Store != nil:
		return nil, invalid("New: MaxUsers has no effect on a Store; omit one of them")
	case config.Lifetime > 0 && config.Lifetime <= config.RefreshBefore:
		return nil, invalid("New: Lifetime is not longer than RefreshBefore; use a longer Lifetime")
	}
	if config.RefreshBefore == 0 {
		config.RefreshBefore = defaultRefreshBefore
		if config.Lifetime > 0 {
			config.RefreshBefore = min(defaultRefreshBefore, config.Lifetime/10)
		}
	}
	config.MaxUsers = cmp.Or(config.MaxUsers, defaultMaxUsers)
	config.MaxFetches = cmp.Or(config.MaxFetches, defaultMaxFetches)
	config.Timeout = cmp.Or(config.Timeout, defaultTimeout)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	c := &Cache{
		client: client, identity: identify(client), config: config, store: config.Store, logger: config.Logger,
		outage:  outage{logger: config.Logger, probe: config.Timeout},
		places:  make(chan struct{}, config.MaxFetches),
		flights: map[Key]*flight{}, signingOut: map[Key]int{}, replacing: map[Key]bool{},
	}
	if c.store == nil {
		c.store = newMemory(config.MaxUsers, &c.evictions)
	}
	return c, nil
}

// isClientSession reports whether client authenticates with a client session token. Only then
// is a Get without params valid. It is not sent, because its context has ended.
func isClientSession(client *seam.Client) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.ClientSessions.Get(ctx, seam.ClientSessionGetParams{})
	return !errors.Is(err, seam.ErrInvalidParams)
}

// identify returns a hash of the endpoint and the credential of client. It gets them from a request
// that is not sent.
func identify(client *seam.Client) string {
	hash := sha256.New()
	read := roundTripper(func(req *http.Request) (*http.Response, error) {
		_, _ = fmt.Fprintln(hash, req.URL, req.Header.Values("Authorization"), req.Header.Values("seam-workspace"), req.Header.Values("seam-publishable-key"))
		return nil, errors.New("not sent")
	})
	_, _ = client.ClientSessions.GetOrCreate(context.Background(), seam.ClientSessionGetOrCreateParams{UserIdentifierKey: "nobody"},
		seam.WithHTTPClient(&http.Client{Transport: read}), seam.WithMaxRetries(0),
		seam.WithLogger(slog.New(slog.DiscardHandler)), seam.WithObserver(func(context.Context, seam.Attempt) {}))
	return hex.EncodeToString(hash.Sum(nil))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
