package api_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seam-go/seam/api"
)

const secret = "s3cret-value"

// TestSecretsAreMasked fills each secret field of each type, and formats it in every way.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	types := map[reflect.Type]bool{}
	for _, m := range methods(t) {
		types[m.params] = true
		result, _ := m.call(answering(nil).client(t), t.Context(), reflect.Zero(m.params).Interface())
		if result != nil {
			types[reflect.TypeOf(result).Elem()] = true
		}
	}
	secrets := 0
	for typ := range types {
		v := reflect.New(typ).Elem()
		if fill(v, 0) == 0 {
			continue
		}
		secrets++
		for _, value := range []any{v.Interface(), v.Addr().Interface(), []any{v.Interface()}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				assert.NotContains(t, fmt.Sprintf(verb, value), secret, "%s of %s", verb, typ)
			}
		}
		var log bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
			slog.New(handler).Info("value", "value", v.Interface(), "pointer", v.Addr().Interface())
		}
		assert.NotContains(t, log.String(), secret, typ)
		assert.Contains(t, fmt.Sprintf("%+v", v.Interface()), "REDACTED", typ)

		copied := reflect.New(typ).Elem()
		fill(copied, 0)
		assert.Equal(t, copied.Interface(), v.Interface(), "formatting changes nothing")
	}
	assert.Greater(t, secrets, 15)
}

// fill sets all fields of v, secrets to secret, and returns how many secrets there are.
func fill(v reflect.Value, depth int) int {
	if depth > 8 {
		return 0
	}
	count := 0
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			if slices.Contains(strings.Split(field.Tag.Get("seam"), ","), "secret") || field.Name == "Token" {
				v.Field(i).Set(reflect.ValueOf(secret))
				count++
				continue
			}
			count += fill(v.Field(i), depth+1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			count = fill(v.Index(0), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		count = fill(v.Elem(), depth+1)
	case reflect.String:
		v.SetString("text")
	}
	return count
}

// TestSecretsAreInJSON: json.Marshal is for handing an object on.
func TestSecretsAreInJSON(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]any{"code": secret}, encoded(t, api.AccessCode{Code: secret}))
	assert.Contains(t, fmt.Sprint(api.AccessCode{Code: secret}), "REDACTED")
}
