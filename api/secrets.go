package api

import (
	"reflect"
	"slices"
	"strings"

	"github.com/seam-go/seam"
	"github.com/seam-go/seam/internal/redact"
)

// mask replaces the secrets in the struct that pointer points to, and copies what it shares
// with other structs.
func mask(pointer any) { maskValue(reflect.ValueOf(pointer).Elem()) }

func maskValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if session, ok := v.Interface().(seam.ClientSession); ok && session.Token != "" {
			session.Token = redact.Mark
			v.Set(reflect.ValueOf(session))
			return
		}
		for i := range v.NumField() {
			info, field := v.Type().Field(i), v.Field(i)
			switch {
			case !info.IsExported():
			case !slices.Contains(strings.Split(info.Tag.Get("seam"), ","), "secret"):
				maskValue(field)
			case !field.IsZero(): // a string, or any for what Seam does not describe
				field.Set(reflect.ValueOf(redact.Mark).Convert(field.Type()))
			}
		}
	case reflect.Slice:
		if v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
			for i := range v.Len() {
				maskValue(v.Index(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct {
			pointer := reflect.New(v.Type().Elem())
			pointer.Elem().Set(v.Elem())
			maskValue(pointer.Elem())
			v.Set(pointer)
		}
	}
}

// maskError replaces secrets of the params that the server has repeated in an error.
func maskError(err *seam.APIError, secrets redact.Secrets) {
	err.Message = secrets.Text(err.Message)
	for _, messages := range err.ValidationErrors {
		for i, message := range messages {
			messages[i] = secrets.Text(message)
		}
	}
}
