package confirm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"ossupload/shared/rawjson"
)

// usualLen is more bytes than most receipts have.
const usualLen = 768

// appendMembers appends the members of the receipt as encoding/json encodes them
// without HTML escaping, and with no brace around them. Each upload has them three
// times, in event, token and answer: by hand they take half of the time, and the
// token takes those of the event.
func (r Receipt) appendMembers(dst []byte) []byte {
	dst = rawjson.AppendQuote(append(dst, `"location":`...), r.Location)
	dst = rawjson.AppendQuote(append(dst, `,"bucket":`...), r.Bucket)
	dst = rawjson.AppendQuote(append(dst, `,"key":`...), r.Key)
	dst = strconv.AppendInt(append(dst, `,"size":`...), r.Size, 10)
	dst = rawjson.AppendQuote(append(dst, `,"etag":`...), r.ETag)
	dst = rawjson.AppendQuote(append(dst, `,"crc64":`...), r.CRC64)
	dst = rawjson.AppendQuote(append(dst, `,"contentType":`...), r.ContentType)
	if r.VersionID != "" {
		dst = rawjson.AppendQuote(append(dst, `,"versionId":`...), r.VersionID)
	}
	dst = rawjson.AppendQuote(append(dst, `,"filename":`...), r.Filename)
	dst = rawjson.AppendMap(append(dst, `,"metadata":`...), r.Metadata)
	dst = rawjson.AppendMap(append(dst, `,"vars":`...), r.Vars)
	if len(r.Context) > 0 {
		compact := bytes.NewBuffer(append(dst, `,"context":`...))
		if json.Compact(compact, r.Context) == nil { // what was sealed is JSON
			dst = compact.Bytes()
		}
	}
	dst = rawjson.AppendTime(append(dst, `,"uploadedAt":`...), r.UploadedAt)
	return rawjson.AppendQuote(append(dst, `,"eventId":`...), r.EventID)
}

// AppendJSON is fchttp.JSONAppender.
func (a Answer) AppendJSON(dst []byte) []byte {
	if dst == nil {
		dst = make([]byte, 0, usualLen+len(a.ReceiptToken))
	}
	dst = a.appendMembers(append(dst, '{'))
	dst = strconv.AppendBool(append(dst, `,"delivered":`...), a.Delivered)
	if a.ReceiptToken != "" {
		dst = rawjson.AppendQuote(append(dst, `,"receiptToken":`...), a.ReceiptToken)
	}
	return append(dst, '}')
}

// completedEvent is the body of the event that an upload is completed: its data are the
// members of the receipt, encoded, and the subject.
func completedEvent(at time.Time, members []byte, subject string) []byte {
	const around = len(`{"type":"","timestamp":,"data":{,"subject":""}}`+Completed) + rawjson.TimeLen
	dst := append(make([]byte, 0, around+len(members)+len(subject)), `{"type":"`+Completed+`","timestamp":`...)
	dst = append(rawjson.AppendTime(dst, at), `,"data":{`...)
	dst = append(append(dst, members...), `,"subject":`...)
	return append(rawjson.AppendQuote(dst, subject), "}}"...)
}

// encode is the body of an event, of one that is rare.
func (e event) encode() ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	return body, nil
}
