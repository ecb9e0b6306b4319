package main

import (
	"encoding/json"
	"maps"
	"testing"
)

func TestUppyMetadata(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
		ok         bool
	}{
		{"Uppy's own entries", `{"name":"a.png","type":"image/png","relativePath":null,"album":"summer"}`, map[string]string{"album": "summer"}, true},
		{"scalars of every kind", `{"a":1.50,"b":true,"c":null,"d":"null","e":"","f":"x"}`, map[string]string{"a": "1.50", "b": "true", "f": "x"}, true},
		{"a great number keeps its digits", `{"id":12345678901234567890}`, map[string]string{"id": "12345678901234567890"}, true},
		{"an object", `{"a":{}}`, nil, false},
		{"a list", `{"a":[]}`, nil, false},
		{"not an object", `"x"`, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got uppyMetadata
			err := json.Unmarshal([]byte(tt.text), &got)
			if (err == nil) != tt.ok || tt.ok && !maps.Equal(got, tt.want) {
				t.Errorf("Unmarshal(%s) = %v, %v, want %v", tt.text, got, err, tt.want)
			}
		})
	}
}
