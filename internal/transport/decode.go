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

// maxAnswer bounds an answer that is held as a whole, in bytes: a long list.
const maxAnswer = 256 << 20

// Final errors: asked again, the server would say as much.
var (
	errTooLarge = fmt.Errorf("answer holds a value of more than %d bytes", maxValue)
	errTooLong  = fmt.Errorf("answer has more than %d bytes", maxAnswer)
)

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

// unusable says what is wrong with an answer, without quoting a value: that
// could be a token in the wrong place.
func unusable(err error) error {
	if err == nil {
		return nil
	}
	var kind *json.UnmarshalTypeError
	var form *time.ParseError
	switch {
	case errors.As(err, &kind):
		return fmt.Errorf("answer cannot be decoded: %s has a value of the wrong type", cmp.Or(kind.Field, "it"))
	case errors.Is(err, io.EOF): // where more had to come
		err = io.ErrUnexpectedEOF
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
