package transport_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seam-go/seam/internal/fake"
	"github.com/seam-go/seam/internal/transport"
)

type item struct {
	ID     string    `json:"id"`
	ZoneID string    `json:"zone_id"`
	Count  int       `json:"count"`
	Ratio  float64   `json:"ratio"`
	On     bool      `json:"on"`
	At     time.Time `json:"at"`
	Tags   []string  `json:"tags"`
	Owner  struct{}  `json:"owner"`
}

// decodeItems decodes the array under items.
func decodeItems(r io.Reader) ([]item, error) {
	items := []item{}
	err := transport.DecodeObject(r, func(name string, d *transport.Decoder) error {
		if name != "items" {
			return d.Skip()
		}
		return d.Array(func() error {
			var one item
			err := d.Value(&one)
			items = append(items, one)
			return err
		})
	})
	return items, err
}

// TestDecodeObject tests valid and hostile responses. It holds for both decoders,
// encoding/json and encoding/json/v2: make newest runs it with both.
func TestDecodeObject(t *testing.T) {
	t.Parallel()
	object := func(fields string) string { return `{"items": [{"id": "1"` + fields + `}], "ok": true}` }
	one := func(set func(*item)) []item {
		i := item{ID: "1"}
		set(&i)
		return []item{i}
	}
	plain := one(func(*item) {})
	const undecodable, invalid, cutOff = "response cannot be decoded: ", "response cannot be decoded: invalid JSON", "response cannot be decoded: unexpected EOF"
	const wrongType, tooLong = undecodable + "value of the wrong type, expected ", "response has a value of more than 4194304 bytes"
	for _, tt := range []struct {
		name, body string
		want       []item
		err        string
	}{
		{name: "plain", body: object(""), want: plain},
		{name: "white space", body: "\n\t " + strings.ReplaceAll(object(""), " ", "\r\n") + " \n", want: plain},
		{name: "unknown field", body: object(`, "a": [{"b": [1, null, true, "x"]}]`), want: plain},
		{name: "unknown member", body: `{"a": {"items": [5]}, ` + object("")[1:], want: plain},
		{name: "name in capitals", body: object(`, "ID": "2"`), want: one(func(i *item) { i.ID = "2" })},
		{name: "name without underscores", body: object(`, "zoneid": "z", "zone-id": "z"`), want: plain},
		{name: "name twice", body: object(`, "id": "2", "id": "3"`), want: one(func(i *item) { i.ID = "3" })},
		{name: "member twice", body: `{"items": [], ` + object("")[1:], want: plain},
		{name: "escaped name of a member", body: `{"\u0069tems": [{"id": "1"}]}`, want: plain},
		{name: "invalid UTF-8", body: object(`, "id": "a` + "\xff" + `b"`), want: one(func(i *item) { i.ID = "a\ufffdb" })},
		{name: "half a surrogate pair", body: object(`, "id": "\ud800"`), want: one(func(i *item) { i.ID = "\ufffd" })},
		{name: "escapes", body: object(`, "id": "\u0041\n\/\ud83d\ude00"`), want: one(func(i *item) { i.ID = "A\n/😀" })},
		{name: "empty array in a value", body: object(`, "tags": []`), want: one(func(i *item) { i.Tags = []string{} })},
		{name: "null for each field", body: object(`, "tags": null, "at": null, "count": null, "zone_id": null`), want: plain},
		{name: "null as an element", body: `{"items": [null]}`, want: []item{{}}},
		{name: "time with a zone", body: object(`, "at": "2025-06-15T16:54:17.9+02:00"`), want: one(func(i *item) {
			i.At = time.Date(2025, 6, 15, 14, 54, 17, 900_000_000, time.UTC)
		})},
		{name: "integer", body: object(`, "count": 3`), want: one(func(i *item) { i.Count = 3 })},
		{name: "no elements", body: `{"items": []}`, want: []item{}},
		{name: "no members", body: `{}`, want: []item{}},
		{
			name: "more than 4 MiB in several values", want: []item{{}, {}},
			body: `{"a": "` + strings.Repeat("x", 3<<20) + `", "items": [{"a": "` + strings.Repeat("x", 3<<20) + `"}, {"a": "` + strings.Repeat("x", 3<<20) + `"}]}`,
		},

		{name: "nothing", body: "", err: cutOff},
		{name: "null", body: "null", err: "response is not a JSON object"},
		{name: "array", body: "[]", err: "response is not a JSON object"},
		{name: "text", body: `"items"`, err: "response is not a JSON object"},
		{name: "HTML", body: "<html>", err: invalid},
		{name: "null for the array", body: `{"items": null}`, err: "response has no array where one is expected"},
		{name: "object for the array", body: `{"items": {}}`, err: "response has no array where one is expected"},
		{name: "element of the wrong type", body: `{"items": ["1"]}`, err: wrongType + "an object"},
		{name: "integer as 3.0", body: object(`, "count": 3.0`), err: wrongType + "an integer"},
		{name: "integer as 1e300", body: object(`, "count": 1e300`), err: wrongType + "an integer"},
		{name: "integer as a text", body: object(`, "count": "secret"`), err: wrongType + "an integer"},
		{name: "number as a text", body: object(`, "ratio": "secret"`), err: wrongType + "a number"},
		{name: "boolean as a text", body: object(`, "on": "secret"`), err: wrongType + "a boolean"},
		{name: "text as a number", body: object(`, "id": 5`), err: wrongType + "a string"},
		{name: "object as a text", body: object(`, "owner": "secret"`), err: wrongType + "an object"},
		{name: "array as a text", body: object(`, "tags": "secret"`), err: wrongType + "an array"},
		{name: "integer out of range", body: object(`, "count": 1e999`), err: undecodable},
		{name: "integer with a leading zero", body: object(`, "count": 01`), err: invalid},
		{name: "malformed time", body: object(`, "at": "secret"`), err: undecodable + "malformed time"},
		{name: "time as a number", body: object(`, "at": 1893456000`), err: wrongType + "a time as a string"},
		{name: "time as an object", body: object(`, "at": {"secret": 1}`), err: wrongType + "a time as a string"},
		{name: "time without a zone", body: object(`, "at": "2025-06-15T16:54:17"`), err: undecodable + "malformed time"},
		{name: "cut after the array", body: strings.TrimSuffix(object(""), `, "ok": true}`), err: cutOff},
		{name: "cut in an element", body: `{"items": [{"i`, err: cutOff},
		{name: "cut in a name", body: `{"ite`, err: cutOff},
		{name: "cut in a text", body: object(`, "id": "secret`)[:30], err: cutOff},
		{name: "another value", body: object("") + "{}", err: "response has data after the end of its JSON"},
		{name: "garbage after the end", body: object("") + "x", err: "response has data after the end of its JSON"},
		{name: "comma at the end", body: `{"items": [{"id": "1"},]}`, err: invalid},
		{name: "name that is no text", body: `{5: 5}`, err: invalid},
		{name: "control character in a text", body: object(`, "id": "secret` + "\x01" + `"`), err: invalid},
		{name: "wrong bracket", body: `{"items": [}`, err: invalid},
		{name: "too deep", body: `{"a": ` + strings.Repeat("[", 100_000), err: undecodable},
		{name: "too deep in an element", body: object(`, "a": ` + strings.Repeat(`{"a":`, 100_000)), err: undecodable},
		{name: "long member", body: `{"a": "` + strings.Repeat("x", 4<<20) + `"}`, err: tooLong},
		{name: "long name", body: `{"` + strings.Repeat("x", 4<<20) + `": 1}`, err: tooLong},
		{name: "long element after a shorter one", body: `{"items": [{"id": "` + strings.Repeat("x", 3<<20) + `"}, {"id": "` + strings.Repeat("x", 4<<20) + `"}]}`, err: tooLong},
		{name: "long element", body: `{"items": [{"id": "1"}, {"id": "` + strings.Repeat("x", 5<<20) + `"}]}`, err: tooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := strings.NewReader(tt.body)
			got, err := decodeItems(r)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				assert.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			assert.Empty(t, cmp.Diff(tt.want, got))
			assert.Zero(t, r.Len(), "a connection can be reused only if its response was read to the end")
		})
	}
}

// content is a result that rejects every response.
type content struct{}

func (content) UnmarshalJSON([]byte) error { return transport.ContentError("response has no door") }

// TestContentError tests that the text of a ContentError is kept. That of another error may
// quote the response.
func TestContentError(t *testing.T) {
	t.Parallel()
	var v content
	assert.EqualError(t, transport.DecodeAll(strings.NewReader(`{"door": null}`), &v), "response has no door")
}

// TestDecodeObjectStops tests that an error of the caller's func is returned as
// it is, and that the func is not called again.
func TestDecodeObjectStops(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	calls := 0
	err := transport.DecodeObject(strings.NewReader(`{"a": 1, "b": 2}`), func(string, *transport.Decoder) error {
		calls++
		return stop
	})
	assert.Equal(t, stop, err)
	assert.Equal(t, 1, calls)

	calls = 0
	err = transport.DecodeObject(strings.NewReader(`{"a": [1, 2]}`), func(_ string, d *transport.Decoder) error {
		return d.Array(func() error {
			calls++
			return stop
		})
	})
	assert.Equal(t, stop, err)
	assert.Equal(t, 1, calls)
}

// TestReadErrors tests that the cause of a failed read can be found.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset")
	for _, beginning := range []string{"", "{", `{"items`, `{"items": [`, `{"items": [{"id": "`} {
		_, err := decodeItems(io.MultiReader(strings.NewReader(beginning), iotest.ErrReader(cause)))
		require.ErrorIs(t, err, cause, beginning)
	}
	require.ErrorIs(t, transport.DecodeAll(iotest.ErrReader(cause), new(item)), cause)
}

func TestDecodeAll(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want item
		err  string
	}{
		"object":           {body: ` {"id": "1", "zone_id": "z"} `, want: item{ID: "1", ZoneID: "z"}},
		"4 MiB":            {body: `{"id": "1"}` + strings.Repeat(" ", 4<<20-11), want: item{ID: "1"}},
		"more than 4 MiB":  {body: `{"id": "1"}` + strings.Repeat(" ", 4<<20-10), err: "response has a value of more than 4194304 bytes"},
		"nothing":          {err: "response cannot be decoded: unexpected EOF"},
		"cut":              {body: `{"id": "secret`, err: "response cannot be decoded: unexpected EOF"},
		"cut in a number":  {body: `{"count": 1`, err: "response cannot be decoded: unexpected EOF"},
		"time as a number": {body: `{"at": 1893456000}`, err: "value of the wrong type, expected a time as a string"},
		"two values":       {body: `{}{}`, err: "response cannot be decoded: invalid JSON"},
		"wrong type":       {body: `{"count": "secret"}`, err: "value of the wrong type, expected an integer"},
		"malformed time":   {body: `{"at": "secret"}`, err: "malformed time"},
		"array":            {body: `["secret"]`, err: "value of the wrong type, expected an object"},
		"not JSON, quoted": {body: `secret`, err: "response cannot be decoded: invalid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := strings.NewReader(tt.body)
			var first, second item
			err := transport.DecodeAll(r, &first, &second)
			assert.Zero(t, r.Len())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				assert.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []item{tt.want, tt.want}, []item{first, second})
		})
	}
}

// TestDecodersReadInPart tests that no more than 4 MiB of an endless value are
// read.
func TestDecodersReadInPart(t *testing.T) {
	t.Parallel()
	for name, decode := range map[string]func(io.Reader) error{
		"DecodeObject": func(r io.Reader) error {
			_, err := decodeItems(r)
			return err
		},
		"DecodeAll": func(r io.Reader) error { return transport.DecodeAll(r, new(item)) },
	} {
		read := 0
		err := decode(io.MultiReader(strings.NewReader(`{"a": "`), fake.Reader(func(p []byte) (int, error) {
			n, err := fake.Endless(p)
			read += n
			return n, err
		})))
		require.ErrorContains(t, err, "more than 4194304 bytes", name)
		assert.LessOrEqual(t, read, 4<<20+1, name)
	}
}
