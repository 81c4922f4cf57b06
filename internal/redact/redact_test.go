package redact_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/redact"
)

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.bu8q6pZA-_"

func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                    string
		credentials, identifier []string
		text, want              string
	}{
		{"nothing secret", nil, nil, "device not found", "device not found"},
		{"empty text", []string{"key"}, []string{"jane_doe"}, "", ""},
		{"empty secrets", []string{""}, []string{"", ""}, "abc", "abc"},

		{"credential", []string{"k$y"}, nil, "no k$y, ak$ya", "no REDACTED, aREDACTEDa"},
		{"credential twice", []string{"k$y"}, nil, "k$yk$y", "REDACTED"},
		{"in another case", []string{"key"}, []string{"jane_doe"}, "KEY of JANE_DOE", "KEY of JANE_DOE"},

		{"identifier", nil, []string{"jane_doe"}, "no session of jane_doe", "no session of REDACTED"},
		{"identifier in a word", nil, []string{"jane_doe"}, "xjane_doe2", "xREDACTED2"},
		{"short identifier", nil, []string{"1"}, "1 of 127.0.0.1:8081 (1)", "REDACTED of 127.0.0.REDACTED:8081 (REDACTED)"},
		{"short identifier in words", nil, []string{"janet"}, "janets _janet janet2 éjanet", "janets _janet janet2 éjanet"},
		{"short identifier between escapes", nil, []string{"jane"}, `x\njane\n %20jane%20 &quot;jane&#39;`, `x\nREDACTED\n %20REDACTED%20 &quot;REDACTED&#39;`},
		{"short identifier that repeats", nil, []string{"a a"}, "xa a a", "xa REDACTED"},
		{"short identifier of other characters", nil, []string{"é"}, "é\xff é, éa", "REDACTED\xff REDACTED, éa"},

		{"Seam tokens", nil, nil, "seam_cst1_x, seam_pk_a-2, xseam_at1", "REDACTED, REDACTED, xREDACTED"},
		{"no Seam tokens", nil, nil, "seam_cst, seam_, seam_ 1", "seam_cst, seam_, seam_ 1"},
		{"escaped Seam token", nil, nil, `seam\u005fcst1%5Fx seam&#95;key1`, "REDACTED REDACTED"},
		{"JWT", nil, nil, "of " + jwt + ", no xeyJa.b.c", "of REDACTED, no xeyJa.b.c"},
		{"JWT behind an escape", nil, nil, `\n` + jwt + " %22" + jwt + "%22", `\nREDACTED %22REDACTED%22`},

		{"identifier that begins like a token", nil, []string{"seam_tenant_42:jane_doe"}, "of seam_tenant_42:jane_doe.", "of REDACTED."},
		{"identifier that holds a token", nil, []string{"x:seam_cst1_2:y"}, "of x:seam_cst1_2:y.", "of REDACTED."},
		{"identifier that ends like a token", nil, []string{"jane:seam_1"}, "of jane:seam_1_2.", "of REDACTED."},
		{"identifier in a credential", []string{"seam_jane_doe_key"}, []string{"jane_doe"}, "seam_jane_doe_key of jane_doe", "REDACTED of REDACTED"},
		{"credential in an identifier", []string{"key"}, []string{"my key ring"}, "my key ring", "REDACTED"},
		{"identifier that overlaps a credential", []string{"abc_xyz"}, []string{"xyz_123"}, "abc_xyz_123", "REDACTED"},
		{"identifier in another", nil, []string{"jane_doe", "jane_doe@home"}, "jane_doe@home, jane_doe", "REDACTED, REDACTED"},
		{"secret that looks masked", []string{"xREDACTEDx"}, []string{"REDACTED"}, "xREDACTEDx of REDACTED", "REDACTED of REDACTED"},

		{"JSON", nil, []string{`j/a"b\c<é😀`}, `"j\/a\"b\\c\u003c\u00E9\ud83d\uDE00"`, `"REDACTED"`},
		{"JSON in JSON", nil, []string{`a"b_cé`}, `"a\\\"b\\u005fc\\u00e9"`, `"REDACTED"`},
		{"URL in a URL", nil, []string{"jane_doe"}, "?next=%2Fx%3Fkey%3Djane%255Fdoe", "?next=%2Fx%3Fkey%3DREDACTED"},
		{"HTML in JSON", nil, []string{`a"b_cd`}, `"a\u0026quot;b_cd"`, `"REDACTED"`},
		{"JSON in HTML", nil, []string{`a"b_cd`}, `&quot;a\&quot;b_cd&quot;`, `&quot;REDACTED&quot;`},
		{"JSON in JSON in JSON", nil, []string{"jané_d"}, `jan\\\\u00e9_d`, `jan\\\\u00e9_d`},
		{"Go's quotes", nil, []string{"a\"b\x7f\v\tc\U0001fffe"}, `"a\"b\x7f\v\tc\U0001fffe"`, `"REDACTED"`},
		{"URL's path", nil, []string{"a b+c%/é"}, "/a%20b+c%25%2f%c3%A9/", "/REDACTED/"},
		{"URL's query", nil, []string{"a b+c%/é"}, "?k=a+b%2Bc%25%2f%c3%A9&x", "?k=REDACTED&x"},
		{"HTML by numbers", nil, []string{"a_b'c😀"}, "<b>a&#95;b&#x0027;c&#X1f600;</b>", "<b>REDACTED</b>"},
		{"HTML by names", nil, []string{`<"a"&'b'>`}, "<b>&lt;&quot;a&quot;&amp;&apos;b&#039;&gt;</b>", "<b>REDACTED</b>"},
		{"mixed", nil, []string{"jane doe:1&2"}, `jane+doe\u003a1%262 &#106;ane%20doe&#58;1&amp;2`, "REDACTED REDACTED"},
		{"mixed, with a plus", nil, []string{"a+b_c_d"}, `a+b\u005fc%5fd`, "REDACTED"},
		{"escape at the end", nil, []string{"jane😀"}, `jane\ud83d\ude00`, "REDACTED"},
		{"secret that looks escaped", nil, []string{`a%5Fb\u005f&amp;+`}, `a%5Fb\u005f&amp;+ a%255Fb\u005f&amp;+ a%5Fb\\u005f\u0026amp;+ a%5Fb\u005f&amp;amp;+`, "REDACTED REDACTED REDACTED REDACTED"},
		{"numbers of no character", nil, []string{"d", "\x00"}, "&#9a; &#; &#100;", "&#9a; &#; REDACTED"},
		{"broken escapes", nil, []string{"jane_doe"}, `%5 %zz \u00 \u00zz \ud83d \q &#; &#x; &;` + " &#9999999999; &ja\\", `%5 %zz \u00 \u00zz \ud83d \q &#; &#x; &; &#9999999999; &ja\`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secrets := redact.Secrets{Credentials: tt.credentials, Identifiers: tt.identifier}
			assert.Equal(t, tt.want, secrets.Text(tt.text))
		})
	}
}

// TestTextIsTruncated puts secrets across the limit, where a part of them would
// no longer be recognised.
func TestTextIsTruncated(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	longKey := strings.Repeat("0123456789abcdef", 1<<10)
	for name, tt := range map[string]struct{ secret, spelled string }{
		"credential":         {"a-long-api-key", "a-long-api-key"},
		"escaped credential": {"a-long-api-key", `a\u002dlong&#x0000002d;api%2Dkey`},
		"long credential":    {longKey, longKey},
		"escaped long key":   {longKey, escapeAll(func(b *strings.Builder, r rune) { fmt.Fprintf(b, "&amp;#x%08x;", r) })(longKey)},
		"Seam token":         {"", "seam_cst1_123456789"},
		"JWT":                {"", jwt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := redact.Secrets{Credentials: []string{tt.secret}}
			for _, shown := range []int{0, 1, 8, 13, 14} { // bytes before the limit
				before := strings.Repeat(" ", limit-shown)
				want := before
				if shown > 0 {
					want += redact.Mark
				}
				require.Equal(t, want, secrets.Text(before+tt.spelled+" and more"), "%d bytes", shown)
			}
		})
	}
	assert.Len(t, redact.Secrets{}.Text(strings.Repeat("x", limit)), limit)
	assert.Len(t, redact.Secrets{}.Text(strings.Repeat("x", limit+1)), limit)
}

func TestName(t *testing.T) {
	t.Parallel()
	secrets := redact.Secrets{Credentials: []string{"key_of_ours"}, Identifiers: []string{"devices", "Devices"}}
	for name, want := range map[string]string{
		"devices":           "devices",
		"devices_not_found": "devices_not_found",
		"Devices":           "REDACTED",
		"devices.":          "REDACTED.",
		"key_of_ours":       "REDACTED",
		"seam_cst1_x":       "REDACTED",
		"":                  "",
	} {
		assert.Equal(t, want, secrets.Name(name))
	}
	assert.Equal(t, "REDACTED", secrets.Text("devices"), "Name leaves the secrets as they are")
}

func TestLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "",
		"\x00two\r\nlines\x1f":              "two  lines",
		"a\x00b\x1b[31m\u202ec\u00a0d\xffe": "a b [31m c d e",
		strings.Repeat("x", 200):            strings.Repeat("x", 200),
		strings.Repeat("x", 201):            strings.Repeat("x", 200) + "…",
		strings.Repeat("x", 199) + "é":      strings.Repeat("x", 199) + "…",
	} {
		assert.Equal(t, want, redact.Line(text))
	}
}

type secretive struct{ A, Secret string }

func (s secretive) Format(state fmt.State, verb rune) {
	s.Secret = redact.Mark
	type shown secretive
	redact.Format(state, verb, shown(s))
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]string{
		"%v":  "{a REDACTED}",
		"%+v": "{A:a Secret:REDACTED}",
		"%#v": `redact_test.shown{A:"a", Secret:"REDACTED"}`,
		"%s":  "{a REDACTED}",
		"%q":  `{"a" "REDACTED"}`,
		"%x":  "{61 5245444143544544}",
		"%3v": "{  a REDACTED}",
		"%d":  "{%!d(string=a) %!d(string=REDACTED)}",
	} {
		assert.Equal(t, want, fmt.Sprintf(verb, secretive{"a", "secret"}))
	}
}

// spellings are the ways in which servers and proxies write a secret.
var spellings = map[string]func(string) string{
	"as it is":     func(s string) string { return s },
	"JSON":         func(s string) string { return quoted(s, true) },
	"JSON, not <>": func(s string) string { return quoted(s, false) },
	"Go":           func(s string) string { q := fmt.Sprintf("%q", s); return q[1 : len(q)-1] },
	"path":         url.PathEscape,
	"query":        url.QueryEscape,
	"HTML":         html.EscapeString,
	"JSON twice":   func(s string) string { return quoted(quoted(s, true), true) },
	"path twice":   func(s string) string { return url.PathEscape(url.PathEscape(s)) },
	"query twice":  func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"HTML twice":   func(s string) string { return html.EscapeString(html.EscapeString(s)) },
	"all JSON":     escapeAll(func(b *strings.Builder, r rune) { fmt.Fprint(b, utf16Escape(r)) }),
	"all HTML":     escapeAll(func(b *strings.Builder, r rune) { fmt.Fprintf(b, "&#%d;", r) }),
	"all HTML hex": escapeAll(func(b *strings.Builder, r rune) { fmt.Fprintf(b, "&#x%x;", r) }),
	"all URL": escapeAll(func(b *strings.Builder, r rune) {
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(b, "%%%02x", c)
		}
	}),
}

func quoted(s string, escapeHTML bool) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escapeHTML)
	if err := encoder.Encode(s); err != nil {
		panic(err)
	}
	return b.String()[1 : b.Len()-2]
}

func utf16Escape(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04X`, r)
	}
	r -= 0x10000
	return fmt.Sprintf(`\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}

func escapeAll(escape func(*strings.Builder, rune)) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, r := range s {
			escape(&b, r)
		}
		return b.String()
	}
}

// FuzzText writes a credential and an identifier into a text in each spelling.
// The masked text must have them in none.
func FuzzText(f *testing.F) {
	f.Add("key-1", "jane_doe", "no session of ", " here")
	f.Add("seam_test1key", "seam_tenant_42:jane_doe", "seam_", "_2")
	f.Add("abc_xyz", "xyz_123", "abc_", "_123")
	f.Add(`a"b\c/d`, "é😀<&>'%5F+ ", `\n is it `, "%")
	f.Add("%25", "&amp;", "25", "amp;")
	f.Add("REDACTED", "xREDACTED", "x", "x")
	f.Fuzz(func(t *testing.T, credential, identifier, before, after string) {
		if !utf8.ValidString(credential) || !utf8.ValidString(identifier) || len(before) > 32<<10 || len(after) > 1<<10 {
			return
		}
		if strings.ContainsAny(before[max(0, len(before)-12):], `\%&`) {
			return // half an escape, which changes what follows it
		}
		secrets := redact.Secrets{Credentials: []string{credential}, Identifiers: []string{identifier}}
		for name, spell := range spellings {
			for _, secret := range []string{credential, identifier} {
				spelled := spell(secret)
				if spelled == "" || secret == identifier && len(secret) < 6 || len(spelled) > 16<<10 {
					continue
				}
				masked := secrets.Text(before + spelled + after)
				require.Contains(t, masked, redact.Mark)
				// Without the marks, as a secret may have those letters itself.
				rest := strings.ReplaceAll(masked, redact.Mark, "\x00")
				for again, spell := range spellings {
					if spelled := spell(secret); !strings.Contains(spelled, "\x00") {
						require.NotContains(t, rest, spelled, "%s after %s", again, name)
					}
				}
			}
		}
		require.LessOrEqual(t, len(secrets.Text(before+after)), 64<<10*len(redact.Mark))
	})
}

// BenchmarkMessage masks a message such as an API sends.
func BenchmarkMessage(b *testing.B) {
	secrets := redact.Secrets{Credentials: []string{"seam_test1key_0123456789abcdef"}, Identifiers: []string{"jane_doe"}}
	const message = `no client session of "jane_doe" at https://connect.getseam.com/client_sessions/get?user_identifier_key=jane%5Fdoe`
	b.ReportAllocs()
	for b.Loop() {
		secrets.Text(message)
	}
}

// BenchmarkHostile masks 1 MiB that a server chose to make this slow.
func BenchmarkHostile(b *testing.B) {
	secrets := redact.Secrets{
		Credentials: []string{strings.Repeat("a", 32) + "b"},
		Identifiers: []string{strings.Repeat("a", 1000) + "b", "a a", "%"},
	}
	for _, piece := range []string{"a", "a ", "seam_", "seam_1 ", "eyJa.", "%", "%25", `\u0061`, "&#97;", "%61+", "&#", `\ud83d`} {
		text := strings.Repeat(piece, 1<<20/len(piece))
		b.Run(piece, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				secrets.Text(text)
			}
		})
	}
}
