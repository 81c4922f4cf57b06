// Package redact removes secrets from texts before an error or a log shows them.
package redact

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark stands in a text where a secret was.
const Mark = "REDACTED"

const (
	maxText = 64 << 10 // bytes of a text that are kept
	maxLine = 200      // bytes of a text that Line quotes
	minLong = 6        // bytes of an identifier that is masked inside of words too
)

// Secrets are the secrets of one call. An empty string among them is ignored.
// The zero value masks only what is shaped like a token.
type Secrets struct {
	// Credentials are API keys and tokens. They are masked wherever they occur.
	Credentials []string
	// Identifiers are the caller's own names for users or clients. They are
	// masked like credentials, except that an identifier of fewer than 6 bytes is
	// masked only as a whole word: the identifier "a" is part of most words.
	Identifiers []string
}

// Text returns text with [Mark] in place of each secret and of everything that
// has the shape of a Seam key or token (seam_ and a digit) or of a JWT. Secrets
// that overlap or touch are replaced by a single mark.
//
// Text recognizes a secret as it is, and with any of its characters escaped once or
// twice for JSON, a URL or HTML. It does not recognize a secret that is incomplete,
// written in another case or encoded as base64 or hex. The names of characters in
// HTML that it knows are those that must be escaped there, such as &amp;.
//
// Text longer than 64 KiB is truncated. A secret across this limit is masked.
func (s Secrets) Text(text string) string {
	// A secret may begin before the limit and end after it.
	window := text[:min(len(text), maxText+s.longest())]
	secret := make([]bool, len(window)) // for each byte of window
	plain := readPlain(window)
	s.find(plain, secret)
	for _, escapes := range encodings {
		if strings.ContainsAny(window, escapes) {
			once := plain.decode(escapes)
			s.find(once, secret)
			s.find(once.decode(escapes), secret) // JSON in JSON, a URL in a URL, JSON in HTML
		}
	}
	window = window[:min(len(window), maxText)]
	masked := make([]byte, 0, len(window))
	for i := range len(window) {
		switch {
		case !secret[i]:
			masked = append(masked, window[i])
		case i == 0 || !secret[i-1]:
			masked = append(masked, Mark...)
		}
	}
	return string(masked)
}

// Name is like Text, for the name of a field or of a type of error. Seam's names
// have only lower-case letters, digits and underscores, and an identifier may
// look the same. In a name of that kind identifiers are not masked.
func (s Secrets) Name(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" {
		s.Identifiers = nil
	}
	return s.Text(name)
}

// longest returns a number of bytes that no secret exceeds, however it is escaped.
func (s Secrets) longest() int {
	longest := 4 << 10 // of tokens found by their shape
	for _, secrets := range [][]string{s.Credentials, s.Identifiers} {
		for _, secret := range secrets {
			longest = max(longest, 2*maxEscape*len(secret)) // escaped twice
		}
	}
	return longest
}

// tokens match Seam's keys and tokens, and JWTs.
var tokens = []*regexp.Regexp{
	regexp.MustCompile(`seam_[\w-]*\d[\w-]*`),
	regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`),
}

// find marks in secret the bytes of the original text that are part of a secret.
func (s Secrets) find(r reading, secret []bool) {
	mark := func(begin, end int) {
		for i := r.at[begin]; i < r.at[end]; i++ {
			secret[i] = true
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

// Line returns the beginning of text as one line of printable characters: its
// first 200 bytes, followed by "…" if there are more. It masks nothing.
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

// Format prints v as package fmt does for the given state and verb. It is for the
// Format method of a type that hides a part of itself: v is what may be shown,
// and must not have that method.
func Format(state fmt.State, verb rune, v any) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), v)
}
