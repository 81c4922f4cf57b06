package webhook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/webhook"
)

type recorder struct{ text string }

func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

// TestSecretsAreHidden prints a verifier and all errors.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, secret)
	values := []any{verifier, *verifier}
	for _, bad := range []string{secret + "!", strings.TrimSuffix(secret, "NTY3"), "whsec_" + secret} {
		_, err := webhook.NewVerifier(bad)
		require.Error(t, err)
		values = append(values, err)
	}
	for _, body := range []string{secret, small + secret} {
		_, err := verifier.Verify([]byte(body), sign(body))
		require.ErrorIs(t, err, webhook.ErrInvalidEvent)
		values = append(values, err)
	}
	for _, value := range []string{secret, "v1," + secret} {
		header := sign(small)
		for _, name := range parts {
			changed := header.Clone()
			changed.Set("Svix-"+name, value)
			_, err := verifier.Verify([]byte(small), changed)
			require.Error(t, err)
			values = append(values, err)
		}
	}
	_, err := verifier.Verify(nil, http.Header{})
	values = append(values, err)

	key := secret[len("whsec_"):][:20] // even a part must not appear
	raw, err := base64.StdEncoding.DecodeString(key)
	require.NoError(t, err)
	for _, value := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).LogAttrs(t.Context(), slog.LevelInfo, "value", slog.Any("value", value))
		}
		text, err := json.Marshal(value)
		require.NoError(t, err)
		out.Write(text)
		var diff recorder // testify follows pointers and calls no methods
		assert.Equal(&diff, recorder{}, value)
		out.WriteString(diff.text)
		for _, leak := range []string{key, string(raw), fmt.Sprintf("%x", key), fmt.Sprintf("%x", raw), strings.Trim(fmt.Sprintf("%d", raw), "[]")} {
			assert.NotContains(t, out.String(), leak, "%T", value)
		}
	}
}
