package redact

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// encodings lists the ways to decode a text, each by the characters that begin an escape. A
// text is also decoded as only one of JSON, URL and HTML: in plain JSON, for example, %5F is
// no escape, but may be part of a secret.
var encodings = []string{
	`\`,    // JSON
	"%",    // URL
	"&",    // HTML
	`\%&`,  // all three
	`\%&+`, // all three, and + for a space in a query
}

// reading is a text after decoding some of its escapes.
type reading struct {
	text string
	at   []int // for each byte of text and for its end, the offset in the original
}

func readPlain(text string) reading {
	r := reading{text, make([]int, len(text)+1)}
	for i := range r.at {
		r.at[i] = i
	}
	return r
}

// decode decodes the escapes that begin with one of the characters in escapes.
func (r reading) decode(escapes string) reading {
	if !strings.ContainsAny(r.text, escapes) {
		return r
	}
	text, at := make([]byte, 0, len(r.text)), make([]int, 0, len(r.at))
	for i := 0; i < len(r.text); {
		size := 0
		if strings.IndexByte(escapes, r.text[i]) >= 0 {
			text, size = appendUnescaped(text, r.text[i:])
		}
		if size == 0 {
			text, size = append(text, r.text[i]), 1
		}
		for len(at) < len(text) {
			at = append(at, r.at[i])
		}
		i += size
	}
	return reading{string(text), append(at, r.at[len(r.text)])}
}

// maxEscape is the size of the longest escape that is decoded, in bytes.
const maxEscape = 12

// appendUnescaped appends the character that the escape at the beginning of text
// stands for. It also returns the size of the escape, 0 if there is none.
func appendUnescaped(dst []byte, text string) ([]byte, int) {
	switch text[0] {
	case '\\':
		return appendBackslash(dst, text)
	case '%':
		if code, ok := number(text, 1, 3, 16); ok {
			return append(dst, byte(code)), 3
		}
	case '+':
		return append(dst, ' '), 1
	case '&':
		return appendEntity(dst, text)
	}
	return dst, 0
}

// appendBackslash decodes an escape of JSON, JavaScript or Go.
func appendBackslash(dst []byte, text string) ([]byte, int) {
	if strings.HasPrefix(text, `\/`) || strings.HasPrefix(text, `\'`) {
		return append(dst, text[1]), 2
	}
	if len(text) >= 12 && text[1] == 'u' && text[6:8] == `\u` {
		high, _ := number(text, 2, 6, 16)
		low, _ := number(text, 8, 12, 16)
		if char := utf16.DecodeRune(high, low); char != utf8.RuneError {
			return utf8.AppendRune(dst, char), 12
		}
	}
	char, multibyte, rest, err := strconv.UnquoteChar(text, '"')
	switch size := len(text) - len(rest); {
	case err != nil:
		return dst, 0
	case multibyte:
		return utf8.AppendRune(dst, char), size
	default:
		return append(dst, byte(char)), size
	}
}

// entities are the characters that have to be escaped in HTML.
var entities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// appendEntity decodes an escape of HTML.
func appendEntity(dst []byte, text string) ([]byte, int) {
	end := strings.IndexByte(text[:min(len(text), maxEscape)], ';')
	if end < 0 {
		return dst, 0
	}
	char, ok := entities[text[1:end]]
	switch {
	case strings.HasPrefix(text, "&#x"), strings.HasPrefix(text, "&#X"):
		char, ok = number(text, 3, end, 16)
	case strings.HasPrefix(text, "&#"):
		char, ok = number(text, 2, end, 10)
	}
	if !ok {
		return dst, 0
	}
	return utf8.AppendRune(dst, char), end + 1
}

// number parses text[begin:end].
func number(text string, begin, end, base int) (n rune, ok bool) {
	if end > len(text) {
		return 0, false
	}
	for _, c := range []byte(text[begin:end]) {
		digit := strings.IndexByte("0123456789abcdefABCDEF", c)
		if digit >= 16 {
			digit -= 6
		}
		if digit < 0 || digit >= base {
			return 0, false
		}
		n = n*rune(base) + rune(digit)
	}
	return n, begin < end
}
