package fchttp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/fchttp"
)

// created is an event of OSS's trigger about one object.
func created(name, source, bucket, key string) string {
	return fmt.Sprintf(`{"eventName":%q,"eventSource":%q,"oss":{"bucket":{"name":%q},"object":{"key":%q,"eTag":"E"}}}`, name, source, bucket, key)
}

func list(events ...string) string { return `{"events":[` + strings.Join(events, ",") + `]}` }

func TestStored(t *testing.T) {
	const put = "ObjectCreated:PutObject"
	one := func(key string) fchttp.StoredObject {
		return fchttp.StoredObject{Bucket: "b", Key: key, ETag: "E"}
	}
	many := make([]string, 100)
	wantMany := make([]fchttp.StoredObject, len(many))
	for i := range many {
		many[i], wantMany[i] = created(put, "acs:oss", "b", "k"), one("k")
	}
	tests := []struct {
		name, event string
		want        []fchttp.StoredObject
	}{
		{"the trigger's event", readEvent(t, "documented-oss-trigger.json"), []fchttp.StoredObject{{
			Bucket: "examplebucket", Key: "uploads/alice/2019/11/019a9f3c-0000-7abc-8def-0123456789ab.png",
			ETag: "688A7BF4F233DC9C88A80BF985AB7329", Vars: map[string]string{"x:u": "v1.k1.sealed"},
		}}},
		{"EventBridge's", readEvent(t, "documented-eventbridge-oss.json"), []fchttp.StoredObject{{
			Bucket: "examplebucket", Key: "uploads/alice/a.png", ETag: "5D41402ABC4B2A76B9719D911017C592",
		}}},
		{"EventBridge's, whose data has no source", `{"specversion":"1.0","source":"acs.oss","data":` + created(put, "", "b", "k") + `}`, []fchttp.StoredObject{one("k")}},
		{"two objects", list(created(put, "acs:oss", "b", "k"), created("ObjectCreated:CompleteMultipartUpload", "acs:oss", "b", "k2")), []fchttp.StoredObject{one("k"), one("k2")}},
		{"a name with its service", list(created("oss:"+put, "acs:oss", "b", "k")), []fchttp.StoredObject{one("k")}},
		{"a quoted ETag", strings.Replace(list(created(put, "acs:oss", "b", "k")), `"E"`, `"\"E\""`, 1), []fchttp.StoredObject{one("k")}},
		{"a key as it stands", list(created(put, "acs:oss", "b", "a%2Bb+c 夏")), []fchttp.StoredObject{one("a%2Bb+c 夏")}},
		{"an object that was removed", list(created("ObjectRemoved:DeleteObject", "acs:oss", "b", "k"), created(put, "acs:oss", "b", "k2")), []fchttp.StoredObject{one("k2")}},
		{"variables that are null", strings.Replace(list(created(put, "acs:oss", "b", "k")), `"bucket"`, `"xVars":null,"bucket"`, 1), []fchttp.StoredObject{one("k")}},
		{"as many as may be", list(many...), wantMany},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log, buf, lines := logLines(t)
			var got []fchttp.StoredObject
			a := &fchttp.Adapter{Log: log, Stored: func(_ context.Context, objects []fchttp.StoredObject) error { got = objects; return nil }}
			raw, err := a.Invoke(t.Context(), requestID, []byte(test.event))
			if err != nil || string(raw) != "{}" || !reflect.DeepEqual(got, test.want) {
				t.Errorf("Invoke = %s, %v, with %+v, want %+v", raw, err, got, test.want)
			}
			if l := lines(); len(l) != 1 || l[0]["msg"] != "trigger" || strings.Contains(buf.String(), "v1.k1") {
				t.Errorf("log = %s, want one line without the token", buf)
			}
		})
	}
}

// The platform is told, which tries again and then tells the operator.
func TestStoredRefuses(t *testing.T) {
	const put, token = "ObjectCreated:PutObject", "v1.k1.sealed"
	event := list(created(put, "acs:oss", "b", "k"))
	wrapped := func(source, data string) string {
		return `{"specversion":"1.0","source":"` + source + `","data":` + data + `}`
	}
	tooMany := make([]string, 101)
	for i := range tooMany {
		tooMany[i] = created(put, "acs:oss", "b", "k")
	}
	tests := []struct{ name, event, want string }{
		{"no events", list(), "not a list"},
		{"events that are null", `{"events":null}`, "not a list"},
		{"events that are an object", `{"events":{}}`, "not a list"},
		{"events that are texts", `{"events":["` + token + `"]}`, "not a list"},
		{"events twice", `{"events":[],"events":[]}`, "appears twice"},
		{"an event of nothing", `{"events":[{}]}`, "not of OSS"},
		{"an event of another service", list(created("LogFileCreated", "cdn", "b", "k")), "not of OSS"},
		{"no bucket", list(created(put, "acs:oss", "", "k")), "no object"},
		{"no key", list(created(put, "acs:oss", "b", "")), "no object"},
		{"a key that is a number", strings.Replace(event, `"k"`, `5`, 1), "not a list"},
		{"variables that are texts", strings.Replace(event, `"bucket"`, `"xVars":["`+token+`"],"bucket"`, 1), "not a list"},
		{"more than may be", list(tooMany...), "101 objects"},
		{"data that is null", wrapped("acs.oss", "null"), "not an event"},
		{"data that is a text", wrapped("acs.oss", `"`+token+`"`), "not an event"},
		{"data of nothing", wrapped("acs.oss", "{}"), "not of OSS"},
		{"a CloudEvent of another service", wrapped("acs.mns", created(put, "", "b", "k")), "not of OSS"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log, buf, lines := logLines(t)
			a := &fchttp.Adapter{Log: log, Stored: func(context.Context, []fchttp.StoredObject) error {
				t.Error("the event was taken")
				return nil
			}}
			raw, err := a.Invoke(t.Context(), requestID, []byte(test.event))
			if err == nil || raw != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Invoke = %s, %v, want an error with %q", raw, err, test.want)
			}
			if l := lines(); len(l) != 1 || l[0]["level"] != "ERROR" || strings.Contains(buf.String(), token) {
				t.Errorf("log = %s, want one line of level ERROR without the event", buf)
			}
		})
	}
	cause := errors.New("asking for objects")
	for name, a := range map[string]*fchttp.Adapter{
		"does not look at objects": {},
		cause.Error():              {Stored: func(context.Context, []fchttp.StoredObject) error { return cause }},
		"panic of type string":     {Stored: func(context.Context, []fchttp.StoredObject) error { panic(token) }},
	} {
		a.Log = slog.New(slog.DiscardHandler)
		if raw, err := a.Invoke(t.Context(), requestID, []byte(event)); err == nil || raw != nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), token) {
			t.Errorf("Invoke = %s, %v, want an error with %q", raw, err, name)
		}
	}
}
