//go:build go1.27 && goexperiment.jsonv2

package transport

import (
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"io"
	"sync"
)

// Decoder does the same as the Decoder in decode_json.go.
type Decoder struct {
	dec   *jsontext.Decoder
	limit valueLimit
}

// likeV1 makes encoding/json/v2 accept the same input as encoding/json.
var likeV1 = jsonv2.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	jsonv2.MatchCaseInsensitiveNames(true),
	json.MatchCaseSensitiveDelimiter(true),
)

var decoders = sync.Pool{New: func() any { return &Decoder{dec: new(jsontext.Decoder)} }}

func newDecoder(r io.Reader) *Decoder {
	d := decoders.Get().(*Decoder)
	d.limit = valueLimit{r: r, end: maxValue}
	d.dec.Reset(&d.limit, likeV1)
	return d
}

// release allows d to be reused.
func (d *Decoder) release() {
	if d.limit.read <= maxPooled { // else its buffer may be large
		d.limit.r = nil
		decoders.Put(d)
	}
}

// Value decodes the next value into v.
func (d *Decoder) Value(v any) error {
	err := jsonv2.UnmarshalDecode(d.dec, v, likeV1)
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok && semantic.GoType != nil {
		err = errors.Join(semantic.Err, &json.UnmarshalTypeError{Type: semantic.GoType}) // which decodeError knows
	}
	return decodeError(err)
}

// Skip reads the next value and discards it.
func (d *Decoder) Skip() error { return decodeError(d.dec.SkipValue()) }

func (d *Decoder) more() bool {
	switch d.dec.PeekKind() {
	case jsontext.KindEndObject, jsontext.KindEndArray, jsontext.KindInvalid:
		return false
	}
	return true
}

func (d *Decoder) name() (string, error) {
	token, err := d.dec.ReadToken()
	if err != nil {
		return "", decodeError(err)
	}
	return token.String(), nil
}

func (d *Decoder) expect(delim jsontext.Kind, otherwise error) error {
	token, err := d.dec.ReadToken()
	if err == nil && token.Kind() != delim {
		return otherwise
	}
	return decodeError(err)
}

func (d *Decoder) end() error {
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errTrailingData
	}
	return nil
}
