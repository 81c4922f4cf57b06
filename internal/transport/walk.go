//go:build !go1.27 || !goexperiment.jsonv2

package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

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
