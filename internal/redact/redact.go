// Package redact masks secrets in the texts of errors and logs.
package redact

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark replaces a secret.
const Mark = "REDACTED"

const (
	maxText = 64 << 10 // bytes that Text keeps
	maxLine = 200      // bytes that Line keeps
	minLong = 6        // minimum length of an identifier that is also masked inside words, in bytes
)

// Secrets are the secrets of one call. Empty strings are ignored. The zero value
// masks only what looks like a Seam key, a Seam token or a JWT.
type Secrets struct {
	// Credentials are API keys and tokens. They are masked wherever they occur.
	Credentials []string
	// Identifiers are the caller's own keys of users or clients. They are masked
	// wherever they occur, but those of fewer than 6 bytes only as whole words, since
	// "a" occurs in most texts.
	Identifiers []string
}

// Text replaces each secret in text by [Mark], and also everything that looks like a
// Seam key or token (seam_ with a digit) or a JWT. A single mark replaces secrets
// that overlap or touch.
//
// Text finds a secret also if any of its characters are escaped, once or twice, for
// JSON, a URL or HTML. It does not find a secret that is incomplete, written in
// another case, or encoded as base64 or hex. Of the named characters in HTML it knows
// only those that have to be escaped, such as &amp;.
//
// Text masks and returns only the first 64 KiB of text. A secret that extends beyond this
// limit is masked.
func (s Secrets) Text(text string) string {
	// A secret may begin before the limit and end after it.
	window := text[:min(len(text), maxText+s.longest())]
	hidden := make([]bool, len(window)) // for each byte of window
	plain := readPlain(window)
	s.hide(hidden, plain)
	for _, escapes := range encodings {
		r := plain
		for range 2 { // a text may be escaped twice, such as JSON in JSON or in HTML
			decoded := r.decode(escapes)
			if decoded.text == r.text {
				break
			}
			s.hide(hidden, decoded)
			r = decoded
		}
	}
	window = window[:min(len(window), maxText)]
	masked := make([]byte, 0, len(window))
	for i := range len(window) {
		switch {
		case !hidden[i]:
			masked = append(masked, window[i])
		case i == 0 || !hidden[i-1]:
			masked = append(masked, Mark...)
		}
	}
	return string(masked)
}

// Name is Text for the name of a field or of an error type. Seam's names consist of
// lower-case letters, digits and underscores, and an identifier may equal one by chance.
// So Name does not mask identifiers in a name of this form.
func (s Secrets) Name(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" {
		s.Identifiers = nil
	}
	return s.Text(name)
}

// longest returns an upper bound for the size of an escaped secret, in bytes.
func (s Secrets) longest() int {
	longest := 4 << 10 // for keys, tokens and JWTs that are not in s
	for _, secrets := range [][]string{s.Credentials, s.Identifiers} {
		for _, secret := range secrets {
			longest = max(longest, maxEscape*maxEscape*len(secret)) // escaped twice
		}
	}
	return longest
}

// tokens match what looks like a Seam key, a Seam token or a JWT.
var tokens = []*regexp.Regexp{
	regexp.MustCompile(`seam_[\w-]*\d[\w-]*`),
	regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`),
}

// hide sets hidden for the bytes of the original text that are part of a secret.
func (s Secrets) hide(hidden []bool, r reading) {
	mark := func(begin, end int) {
		for i := r.at[begin]; i < r.at[end]; i++ {
			hidden[i] = true
		}
	}
	for _, token := range tokens {
		for _, match := range token.FindAllStringIndex(r.text, -1) {
			mark(match[0], match[1])
		}
	}
	for _, credential := range s.Credentials {
		r.findAll(credential, false, mark)
	}
	for _, identifier := range s.Identifiers {
		r.findAll(identifier, len(identifier) < minLong, mark)
	}
}

// findAll calls found for each occurrence of a secret.
func (r reading) findAll(secret string, wholeWord bool, found func(begin, end int)) {
	if secret == "" {
		return
	}
	for begin := 0; ; {
		i := strings.Index(r.text[begin:], secret)
		if i < 0 {
			return
		}
		begin += i
		end := begin + len(secret)
		if wholeWord && (isWord(utf8.DecodeLastRuneInString(r.text[:begin])) || isWord(utf8.DecodeRuneInString(r.text[end:]))) {
			begin++
			continue
		}
		found(begin, end)
		begin = end
	}
}

func isWord(r rune, _ int) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// Line returns the first 200 bytes of text, followed by "…" if there are more, as one
// line of printable characters. It does not mask secrets.
func Line(text string) string {
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}

// Format prints v as package fmt would for the given state and verb. It implements
// the Format method of types with secrets: v is a copy without them, of a type that
// has no Format method.
func Format(state fmt.State, verb rune, v any) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), v)
}
