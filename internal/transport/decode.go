package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
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
	if err := json.Unmarshal(buf.Bytes(), v); err != nil {
		return fmt.Errorf("answer cannot be decoded: %w", err)
	}
	return nil
}

// Walk reads the JSON object in r to its end and calls item, which must decode
// one value, for each element of the list under key. It holds one element at a
// time. An error of item ends the walk and is returned.
func Walk(r io.Reader, key string, item func(*json.Decoder) error) error {
	w := &window{r: r, left: maxValue}
	dec := json.NewDecoder(w)
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	found := false
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		if name != key {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		found = true
		if err := expect(dec, json.Delim('[')); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		for dec.More() {
			if err := item(dec); err != nil {
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
	if _, err := dec.Token(); err != io.EOF {
		return errors.Join(errors.New("more after the end of the answer"), err)
	}
	if !found {
		return fmt.Errorf("answer has no %s", key)
	}
	return nil
}

func expect(dec *json.Decoder, want json.Delim) error {
	switch got, err := dec.Token(); {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case got != want:
		return fmt.Errorf("%T where %v was expected", got, want)
	}
	return nil
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
