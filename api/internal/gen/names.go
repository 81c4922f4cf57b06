package main

import (
	"maps"
	"slices"
	"strings"
)

func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

var initialisms = map[string]string{
	"id": "ID", "ids": "IDs", "url": "URL", "uri": "URI", "api": "API", "sdk": "SDK", "hvac": "HVAC", "os": "OS",
	"ble": "BLE", "hce": "HCE", "hid": "HID", "iana": "IANA", "ip": "IP", "ks": "KS", "mac": "MAC", "nfc": "NFC", "nrs": "NRS",
	"pin": "PIN", "rf": "RF", "sku": "SKU", "uuid": "UUID",
}

// camel returns the Go name for a name such as device_id.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '.' }) {
		if initialism := initialisms[word]; initialism != "" {
			b.WriteString(initialism)
		} else {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// snake returns the JSON name for a Go name such as AcsUser.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

// singular returns the singular of the name of an array.
func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ss"), strings.HasSuffix(name, "properties"), strings.HasSuffix(name, "features"):
		return name
	case strings.HasSuffix(name, "ies"):
		return strings.TrimSuffix(name, "ies") + "y"
	}
	return strings.TrimSuffix(name, "s")
}
