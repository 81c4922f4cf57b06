//go:build go1.27 && goexperiment.jsonv2

package transport

import (
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"io"
)

// likeV1 has encoding/json/v2 take the same input as encoding/json, which
// decodes all other answers.
var likeV1 = jsonv2.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	jsonv2.MatchCaseInsensitiveNames(true),
	json.MatchCaseSensitiveDelimiter(true),
)

// Walk does what Walk in walk.go does, and is faster.
func Walk[T any](r io.Reader, key string, each func(*T) error) error {
	w := &window{r: r, left: maxValue}
	dec := jsontext.NewDecoder(w, likeV1)
	if err := expect(dec, jsontext.KindBeginObject); err != nil {
		return err
	}
	found, element := false, new(T)
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadToken()
		if err != nil {
			return unusable(err)
		}
		if name.String() != key {
			if err := dec.SkipValue(); err != nil {
				return unusable(err)
			}
			continue
		}
		found = true
		if err := expect(dec, jsontext.KindBeginArray); err != nil {
			return err
		}
		for kind := dec.PeekKind(); kind != jsontext.KindEndArray && kind != jsontext.KindInvalid; kind = dec.PeekKind() {
			*element = *new(T)
			if err := jsonv2.UnmarshalDecode(dec, element, likeV1); err != nil {
				return unusableElement(err)
			}
			if err := each(element); err != nil {
				return err
			}
			w.left = maxValue
		}
		if err := expect(dec, jsontext.KindEndArray); err != nil {
			return err
		}
	}
	if err := expect(dec, jsontext.KindEndObject); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("answer goes on after its end")
	}
	if !found {
		return fmt.Errorf("answer has no %s", key)
	}
	return nil
}

// unusableElement is unusable for the errors of encoding/json/v2.
func unusableElement(err error) error {
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		return fmt.Errorf("answer cannot be decoded: %s has a value of the wrong type", semantic.JSONPointer)
	}
	return unusable(err)
}

func expect(dec *jsontext.Decoder, want jsontext.Kind) error {
	token, err := dec.ReadToken()
	if err == nil && token.Kind() != want {
		err = fmt.Errorf("%v is missing before byte %d", want, dec.InputOffset())
	}
	return unusable(err)
}
