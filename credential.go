package seam

import (
	"net/http"
	"strings"

	"github.com/seam-go/seam/internal/transport"
)

// credential is a key or token, and how it is sent.
type credential struct {
	kind   credentialKind
	secret string
	header http.Header
}

type credentialKind int

const (
	apiKey credentialKind = iota + 1
	personalAccessToken
	clientSessionToken
	publishableKey
)

// credentialKinds tells the kinds apart by prefix. The prefix of API keys is the
// beginning of all others, so it comes last.
var credentialKinds = []struct {
	kind         credentialKind
	prefix, name string
	advice       string // where such a credential belongs
}{
	{clientSessionToken, "seam_cst", "a client session token", "give it to WithClientSessionToken"},
	{personalAccessToken, "seam_at", "a personal access token", "give it to WithPersonalAccessToken"},
	{publishableKey, "seam_pk", "a publishable key", "give it to WithPublishableKey"},
	{apiKey, "seam_", "an API key", "give it to WithAPIKey"},
}

// newCredential checks that secret is a credential of that kind. Its errors do
// not quote secret.
func newCredential(kind credentialKind, secret string) (credential, error) {
	if problem := transport.HeaderValueProblem(secret); problem != "" {
		return credential{}, invalid("the credential" + problem)
	}
	for _, known := range credentialKinds {
		if !strings.HasPrefix(secret, known.prefix) {
			continue
		}
		switch {
		case secret == known.prefix:
			return credential{}, invalid("the credential ends after its prefix; check how it was copied")
		case known.kind == kind:
		case kind == clientSessionToken:
			return credential{}, invalid("the credential is " + known.name + ", not a client session token; pass the Token of the user's ClientSession")
		default:
			return credential{}, invalid("the credential is " + known.name + "; " + known.advice)
		}
		if kind == publishableKey {
			return credential{kind, secret, http.Header{"Seam-Publishable-Key": {secret}}}, nil
		}
		return credential{kind, secret, http.Header{"Authorization": {"Bearer " + secret}}}, nil
	}
	if strings.HasPrefix(secret, "ey") {
		return credential{}, invalid("the credential is a JWT, which this package does not support; use an API key from the Seam console")
	}
	return credential{}, invalid("the credential does not begin with seam_; copy it from the Seam console")
}
