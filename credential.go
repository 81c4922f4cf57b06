package seam

import (
	"net/http"
	"slices"
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

// credentialForm has what differs between the kinds of credentials: how they begin, and their
// name and option in errors.
type credentialForm struct {
	kind                 credentialKind
	prefix, name, option string
}

// credentialForms lists all kinds. API keys are last, since every other prefix begins with
// theirs.
var credentialForms = []credentialForm{
	{clientSessionToken, "seam_cst", "a client session token", "WithClientSessionToken"},
	{personalAccessToken, "seam_at", "a personal access token", "WithPersonalAccessToken"},
	{publishableKey, "seam_pk", "a publishable key", "WithPublishableKey"},
	{apiKey, "seam_", "an API key", "WithAPIKey"},
}

// newCredential returns secret as a credential of the given kind, or an error that does
// not quote it.
func newCredential(kind credentialKind, secret string) (credential, error) {
	if problem := transport.HeaderValueProblem("the credential", secret); problem != "" {
		return credential{}, invalid(problem)
	}
	advice := "copy the credential from the Seam console"
	if kind == clientSessionToken {
		advice = "pass the Token of the user's ClientSession"
	}
	i := slices.IndexFunc(credentialForms, func(f credentialForm) bool { return strings.HasPrefix(secret, f.prefix) })
	if i < 0 {
		if strings.HasPrefix(secret, "ey") {
			return credential{}, invalid("the credential is a JWT, which this package does not support; use an API key from the Seam console")
		}
		return credential{}, invalid("the credential does not begin with seam_; " + advice)
	}
	form := credentialForms[i]
	switch {
	case secret == form.prefix:
		return credential{}, invalid("the credential is only its prefix; " + advice)
	case form.kind != kind && kind == clientSessionToken:
		return credential{}, invalid("the credential is " + form.name + ", not a client session token; " + advice)
	case form.kind != kind:
		return credential{}, invalid("the credential is " + form.name + "; pass it to " + form.option)
	case kind == publishableKey:
		return credential{kind, secret, http.Header{"Seam-Publishable-Key": {secret}}}, nil
	}
	return credential{kind, secret, http.Header{"Authorization": {"Bearer " + secret}}}, nil
}
