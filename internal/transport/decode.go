package transport

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxValue bounds one decoded value, in bytes: a whole answer, or one item of a
// list that is walked.
const maxValue = 4 << 20

// errTooLarge is a final error: asked again, the server would say as much.
var errTooLarge = fmt.Errorf("answer holds a value of more than %d bytes", maxValue)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Decode reads r to its end, as a connection needs to be used again, and
// decodes it into v.
func Decode(r io.Reader, v any) error {
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= 64<<10 { // one large answer must not stay for good
			buffers.Put(buf)
		}
	}()
	n, err := buf.ReadFrom(io.LimitReader(r, maxValue+1))
	if err != nil {
		return err
	}
	if n > maxValue {
		return errTooLarge
	}
	return unusable(json.Unmarshal(buf.Bytes(), v))
}

// Walk reads the JSON object in r to its end and calls each with every element
// of the list under key. It holds one element at a time, in the same place. An
// error of each ends the walk and is returned as it is.
func Walk[T any](r io.Reader, key string, each func(*T) error) error {
	w := &window{r: r, left: maxValue}
	dec := json.NewDecoder(w)
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	found, element := false, new(T)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return unusable(err)
		}
		if name != key {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return unusable(err)
			}
			continue
		}
		found = true
		if err := expect(dec, json.Delim('[')); err != nil {
			return err
		}
		for dec.More() {
			*element = *new(T)
			if err := dec.Decode(element); err != nil {
				return unusable(err)
			}
			if err := each(element); err != nil {
				return err
			}
			w.left = maxValue
		}
		if err := expect(dec, json.Delim(']')); err != nil {
			return err
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("answer goes on after its end")
	}
	if !found {
		return fmt.Errorf("answer has no %s", key)
	}
	return nil
}

func expect(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err == nil && got != want {
		err = fmt.Errorf("%v is missing before byte %d", want, dec.InputOffset())
	}
	return unusable(err)
}

// unusable says what is wrong with an answer, without quoting a value: that
// could be a token in the wrong place.
func unusable(err error) error {
	var kind *json.UnmarshalTypeError
	var form *time.ParseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return fmt.Errorf("answer cannot be decoded: %s has a value of the wrong type", cmp.Or(kind.Field, "it"))
	case errors.As(err, &form):
		return errors.New("answer cannot be decoded: a time is malformed")
	}
	return fmt.Errorf("answer cannot be decoded: %w", err)
}

// window lets a bounded number of bytes through until it is opened again.
type window struct {
	r    io.Reader
	left int
}

func (w *window) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errTooLarge
	}
	n, err := w.r.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}
