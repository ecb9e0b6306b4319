package route_test

import (
	"encoding/json"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/poison"
	"ossupload/shared/route"
)

// most is how many times the CPU of json.Valid reading a body may cost.
const most = 5

// Reading a body and telling its faults costs little more than json.Valid does on
// the same bytes. Where that gives up after 10,000 levels there is nothing to hold
// it against: to copy the body takes longer.
func TestBodiesOfOneThingAreCheap(t *testing.T) {
	poison.NeedsCPU(t)
	if testing.Short() {
		t.Skip("it takes some seconds of CPU")
	}
	for _, text := range poison.Texts(2<<20 - 100) {
		body := []byte(`{"filename":"a","vars":` + text.Value + "}")
		if !json.Valid(body) {
			continue
		}
		read := func() error {
			_, err := ask[wish](route.Strict, post(string(body), "application/json"))
			return err
		}
		if faults := api.Faults(read()); len(faults) > api.MaxFaults {
			t.Errorf("%s: %d faults", text.Name, len(faults))
		}
		if ratio := poison.Ratio(func() { _ = read() }, func() { json.Valid(body) }, most); ratio > most {
			t.Errorf("%s: %.1f times the CPU of json.Valid, want at most %d", text.Name, ratio, most)
		}
	}
}

// The limits count the names of one object, whatever stood before it.
func TestLimitsAreOfOneObject(t *testing.T) {
	names := strings.TrimSuffix(strings.TrimPrefix(manyNames(64, "1"), "{"), "}")
	tests := []struct {
		name, body string
		want       string // code, and the field at fault
	}{
		{"64 names in each of two", `[{` + names + `},{` + names + `}]`, ""},
		{"64 names around 64 names", `{"o":{` + names + `},"p":{` + names + `}}`, ""},
		{"a name again in another object", `[{"a":{"a":1}},{"a":1}]`, ""},
		{"a name again after an object", `{"a":{"b":1},"a":1}`, "invalid_json"},
		{"a name again, written in two ways", `{"b":0,"\u0061":1,"a":1}`, "invalid_json"},
		{"two names that become one", `{"\ud800":1,"\udc00":1}`, "invalid_json"},
		{"65 names in a list of lists", `{"o":[[{"p":{` + names + `,"x":1}}]]}`, "invalid_request b.o.p"},
		{"65 names after a list of objects", `{"o":[{"q":1}],"p":[1,{` + names + `,"x":1}]}`, "invalid_request b.p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ask[wish](route.Lenient, post(`{"filename":"a","b":`+tt.body+`}`, "application/json"))
			got := codeOf(err)
			for _, fault := range api.Faults(err) {
				got += " " + fault.Field
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
