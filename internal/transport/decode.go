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

// Errors of the response itself.
var (
	errValueTooLong = fmt.Errorf("response has a value of more than %d bytes", maxValue)
	errBodyTooLong  = fmt.Errorf("response has more than %d bytes", maxBody)
	errTrailingData = errors.New("response has data after the end of its JSON")
	errNotObject    = errors.New("response is not a JSON object")
	errNotArray     = errors.New("response has no array where one is expected")
)

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
		return decodeError(io.EOF) // json.Unmarshal calls this a syntax error
	}
	for _, v := range values {
		if err := json.Unmarshal(buf.Bytes(), v); err != nil {
			return decodeError(err)
		}
	}
	return nil
}

// DecodeObject reads the JSON object in r to its end, and calls member for each
// of its members. member must read the value with exactly one method of d. Its error is
// returned unchanged.
func DecodeObject(r io.Reader, member func(name string, d *Decoder) error) error {
	d := newDecoder(r)
	defer d.release()
	if err := d.expect('{', errNotObject); err != nil {
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
		d.limit.end = d.dec.InputOffset() + maxValue
	}
	if err := d.expect('}', errNotObject); err != nil {
		return err
	}
	return d.end()
}

// Array reads a JSON array, and calls element for each of its elements. element must read
// it with Value. Its error is returned unchanged.
func (d *Decoder) Array(element func() error) error {
	if err := d.expect('[', errNotArray); err != nil {
		return err
	}
	for d.more() {
		if err := element(); err != nil {
			return err
		}
		d.limit.end = d.dec.InputOffset() + maxValue
	}
	return d.expect(']', errNotArray)
}

// valueLimit reads r up to the offset end, which moves forward with each value.
type valueLimit struct {
	r         io.Reader
	read, end int64
	err       error // of the last read
}

func (l *valueLimit) Read(p []byte) (int, error) {
	if l.read >= l.end {
		l.err = errValueTooLong
		return 0, l.err
	}
	var n int
	n, l.err = l.r.Read(p[:min(int64(len(p)), l.end-l.read)])
	l.read += int64(n)
	return n, l.err
}

// undecodableError says that a response cannot be decoded. Its text quotes nothing of the
// response, which may have a token anywhere. The errors of the decoders do quote it.
type undecodableError struct {
	text  string
	cause error
}

func (e *undecodableError) Error() string { return "response cannot be decoded: " + e.text }
func (e *undecodableError) Unwrap() error { return e.cause }

// ContentError is an error of a result's UnmarshalJSON method: a response that is valid JSON
// and not what was requested. Unlike other such errors its text is shown, so it quotes
// nothing of the response.
type ContentError string

func (e ContentError) Error() string { return string(e) }

// decodeError replaces an error of a decoder with one that quotes nothing.
func decodeError(err error) error {
	if err == nil {
		return nil
	}
	if content, ok := errors.AsType[ContentError](err); ok {
		return content
	}
	text := "invalid JSON"
	syntax, isSyntax := errors.AsType[*json.SyntaxError](err)
	wrongType, isType := errors.AsType[*json.UnmarshalTypeError](err)
	_, isTime := errors.AsType[*time.ParseError](err)
	switch {
	case errors.Is(err, errValueTooLong):
		return errValueTooLong
	case errors.Is(err, errBodyTooLong):
		return errBodyTooLong
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		isSyntax && syntax.Error() == "unexpected end of JSON input": // from json.Unmarshal
		err = io.ErrUnexpectedEOF
		text = err.Error()
	case isTime:
		text = "malformed time"
	case err.Error() == "Time.UnmarshalJSON: input is not a JSON string", isType && wrongType.Type == reflect.TypeFor[time.Time]():
		text = "value of the wrong type, expected a time as a string"
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
