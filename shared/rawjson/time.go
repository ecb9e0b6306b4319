package rawjson

import "time"

// TimeLen is the most bytes that AppendTime appends of a time in UTC.
const TimeLen = len(`""`) + len("2006-01-02T15:04:05.999999999Z")

// AppendTime appends t as encoding/json writes it: a string, as RFC 3339 has it. The
// year has four digits.
func AppendTime(dst []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}
