package callerauth

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"
)

// decoded is what encoding/json reads of an object, token by token.
func decoded(data []byte) (map[string]string, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	members := make(map[string]string)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		if _, ok := members[name]; ok {
			return nil, false
		}
		members[name] = string(value)
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return members, err == io.EOF
}

func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : 1 , "b" : "\ud800" } `, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":["x","\n"]}`, `{"a":[1,"x"]}`, `{"a":null}`,
		`[]`, `null`, ``, `{`, `{"a":1}{`, `{"a":1} x`, `{"a"}`, `{"a":1,}`, "{\"a\":\"\xff\"}", `{"a":{"b":1,"b":2}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, ok := decoded(data)
		got, err := object(data)
		if (err == nil) != ok || ok && len(got) != len(want) {
			t.Fatalf("object(%q) = %q, %v, want %q, %v", data, got, err, want, ok)
		}
		for _, m := range got {
			name, value := m.Name, json.RawMessage(m.Value)
			if string(value) != want[name] {
				t.Errorf("member %q of %q = %q, want %q", name, data, value, want[name])
			}
			var one *string
			isText := json.Unmarshal(value, &one) == nil && one != nil
			if s, ok := text(value); ok != isText || ok && s != *one {
				t.Errorf("text(%q) = %q, %v, want %v", value, s, ok, isText)
			}
			var many []*string
			isList := json.Unmarshal(value, &many) == nil && many != nil
			list := make([]string, len(many))
			for i, s := range many {
				if s == nil {
					isList = false
					continue
				}
				list[i] = *s
			}
			if all, ok := texts(value); ok != isList || ok && !reflect.DeepEqual(all, list) {
				t.Errorf("texts(%q) = %q, %v, want %q, %v", value, all, ok, list, isList)
			}
		}
	})
}
