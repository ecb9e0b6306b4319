package rawjson_test

import (
	"encoding/json"
	"testing"
	"time"

	"ossupload/shared/rawjson"
)

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 22, 10, 12, 40, 0, time.UTC),
		time.Date(2026, 11, 22, 10, 12, 40, 120_000_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 8*60*60)),
	} {
		want, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		got := rawjson.AppendTime([]byte("before"), at)
		if string(got) != "before"+string(want) {
			t.Errorf("AppendTime(before, %v) = %s, want before%s", at, got, want)
		}
		if n := len(got) - len("before"); at.Location() == time.UTC && n > rawjson.TimeLen {
			t.Errorf("AppendTime(before, %v) appends %d bytes, want %d at most", at, n, rawjson.TimeLen)
		}
	}
}
