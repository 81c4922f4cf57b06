//go:build !go1.27 || !goexperiment.jsonv2

package transport

import (
	"encoding/json"
	"errors"
	"io"
)

// Decoder reads one JSON value at a time. The one in decode_jsonv2.go is faster.
type Decoder struct {
	dec   *json.Decoder
	limit valueLimit
}

func newDecoder(r io.Reader) *Decoder {
	d := &Decoder{limit: valueLimit{r: r, end: maxValue}}
	d.dec = json.NewDecoder(&d.limit)
	return d
}

// release does nothing: a json.Decoder cannot be reused.
func (d *Decoder) release() {}

// Value decodes the next value into v.
func (d *Decoder) Value(v any) error { return d.error(d.dec.Decode(v)) }

// Skip reads the next value and discards it.
func (d *Decoder) Skip() error {
	var skipped json.RawMessage
	return d.Value(&skipped)
}

// error replaces an error of dec. It prefers that of the last read, which dec hides if
// encoding/json is built on encoding/json/v2.
func (d *Decoder) error(err error) error {
	if err != nil && d.limit.err != nil && !errors.Is(d.limit.err, io.EOF) {
		err = d.limit.err
	}
	return decodeError(err)
}

func (d *Decoder) more() bool { return d.dec.More() }

func (d *Decoder) name() (string, error) {
	token, err := d.dec.Token()
	name, _ := token.(string) // the decoder accepts nothing else here
	return name, d.error(err)
}

func (d *Decoder) expect(delim json.Delim, otherwise error) error {
	token, err := d.dec.Token()
	if err == nil && token != delim {
		return otherwise
	}
	return d.error(err)
}

func (d *Decoder) end() error {
	if _, err := d.dec.Token(); !errors.Is(err, io.EOF) {
		return errTrailingData
	}
	return nil
}
