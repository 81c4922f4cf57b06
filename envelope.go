package seam

import (
	"errors"
	"io"

	"github.com/seam-go/seam/internal/transport"
)

// member records whether a JSON value is null, true or another one. It keeps no copy of the
// value, which may be large.
type member int

const (
	missing member = iota // or null
	isTrue
	other
)

// UnmarshalJSON implements [json.Unmarshaler].
func (m *member) UnmarshalJSON(value []byte) error {
	switch string(value) {
	case "null":
		*m = missing
	case "true":
		*m = isTrue
	default:
		*m = other
	}
	return nil
}

// status is what a response says about its success.
type status struct {
	OK    member `json:"ok"`
	Error member `json:"error"`
}

// err returns an error if the response contradicts its 2xx status.
func (s status) err() error {
	if s.OK == other || s.Error != missing {
		return errors.New("response says that the request failed, despite its status")
	}
	return nil
}

// envelope has the parts of a response beside its sessions.
type envelope struct {
	status
	Pagination struct {
		HasNextPage    bool   `json:"has_next_page"`
		NextPageCursor member `json:"next_page_cursor"`
	} `json:"pagination"`
}

// decode decodes the next member of a response if it is of the envelope, and else skips it.
func (e *envelope) decode(name string, d *transport.Decoder) error {
	switch name {
	case "ok":
		return d.Value(&e.OK)
	case "error":
		return d.Value(&e.Error)
	case "pagination":
		return d.Value(&e.Pagination)
	}
	return d.Skip()
}

// err returns an error if the response says that the request failed, or that there are more
// pages. Seam does not page client sessions. Client.Post does not call err, so that module
// api can request all pages with it.
func (e *envelope) err() error {
	if err := e.status.err(); err != nil {
		return err
	}
	if e.Pagination.HasNextPage || e.Pagination.NextPageCursor != missing {
		return errors.New("response is one page of several; use Client.Post to request all of them")
	}
	return nil
}

// decodeList reads a response with client_sessions. element reads one of them.
func decodeList(r io.Reader, element func(*transport.Decoder) error) error {
	var e envelope
	found := false
	err := transport.DecodeObject(r, func(name string, d *transport.Decoder) error {
		if name == "client_sessions" {
			found = true
			return d.Array(func() error { return element(d) })
		}
		return e.decode(name, d)
	})
	if err == nil {
		err = e.err()
	}
	if err == nil && !found {
		err = errors.New("response has no client_sessions")
	}
	return err
}
