package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"
)

const (
	maxValue = 4 << 20   // limits one value of a response, such as one item of a list, in bytes
	maxBody  = 256 << 20 // limits a response that is not a stream, in bytes

	maxPooled = 64 << 10 // limits a buffer that is kept for reuse, in bytes
)

// Errors of a response that would be the same after a retry.
var (
	errValueTooLong = fmt.Errorf("response has a value of more than %d bytes", maxValue)
	errBodyTooLong  = fmt.Errorf("response has more than %d bytes", maxBody)
	errTrailingData = errors.New("response has data after the end of its JSON")
)

// errNot has the errors for a value that does not begin as it must.
var errNot = map[rune]error{
	'{': errors.New("response is not a JSON object"),
	'[': errors.New("response has another value where an array is expected"),
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// DecodeAll reads r to its end, so that the connection can be reused, and
// decodes it into each of the values.
func DecodeAll(r io.Reader, values ...any) error {
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxPooled {
			buffers.Put(buf)
		}
	}()
	n, err := buf.ReadFrom(io.LimitReader(r, maxValue+1))
	if err != nil {
		return err
	}
	if n > maxValue {
		return errValueTooLong
	}
	if n == 0 {
		return decodeError(io.EOF)
	}
	for _, v := range values {
		if err := json.Unmarshal(buf.Bytes(), v); err != nil {
			return decodeError(err)
		}
	}
	return nil
}

// DecodeObject reads the JSON object in r to its end, and calls member for each
// of its members. member must read the value with one method of d. An error of
// member is returned as it is.
func DecodeObject(r io.Reader, member func(name string, d *Decoder) error) error {
	d := newDecoder(r)
	defer d.release()
	if err := d.expect('{'); err != nil {
		return err
	}
	for d.more() {
		name, err := d.name()
		if err != nil {
			return err
		}
		if err := member(name, d); err != nil {
			return err
		}
		d.limit.left = maxValue
	}
	if err := d.expect('}'); err != nil {
		return err
	}
	return d.end()
}

// Array reads a JSON array, and calls element for each of its elements. element
// must read it with Value. An error of element is returned as it is.
func (d *Decoder) Array(element func() error) error {
	if err := d.expect('['); err != nil {
		return err
	}
	for d.more() {
		if err := element(); err != nil {
			return err
		}
		d.limit.left = maxValue
	}
	return d.expect(']')
}

// valueLimit reads from r until left is used up. It is set anew for each value.
type valueLimit struct {
	r    io.Reader
	left int
}

func (l *valueLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errValueTooLong
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// undecodableError says that a response cannot be decoded. Its text has nothing
// of the response, since that can be a token in an unexpected place; the texts of
// the decoders do.
type undecodableError struct {
	text  string
	cause error
}

func (e *undecodableError) Error() string { return "response cannot be decoded: " + e.text }
func (e *undecodableError) Unwrap() error { return e.cause }

// decodeError returns the error for a decoder's error, nil for nil.
func decodeError(err error) error {
	if err == nil {
		return nil
	}
	text := "invalid JSON"
	wrongType, isType := errors.AsType[*json.UnmarshalTypeError](err)
	_, isTime := errors.AsType[*time.ParseError](err)
	switch {
	case errors.Is(err, errValueTooLong):
		return errValueTooLong
	case errors.Is(err, errBodyTooLong):
		return errBodyTooLong
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // more was expected
		err = io.ErrUnexpectedEOF
		text = err.Error()
	case isTime:
		text = "malformed time"
	case isType && wrongType.Type != nil:
		text = "value of the wrong type, expected " + jsonType(wrongType.Type.Kind())
	}
	return &undecodableError{text, err}
}

// jsonType names the JSON values that decode into a Go type of that kind.
func jsonType(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "a boolean"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "an integer"
	}
}
