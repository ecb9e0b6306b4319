package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Receipt tells that an upload is stored and checked.
type Receipt struct {
	Location     string            `json:"location"` // the object's URL, unsigned
	Bucket       string            `json:"bucket"`
	Key          string            `json:"key"`
	Size         int64             `json:"size"` // bytes
	ETag         string            `json:"etag"` // without quotes
	CRC64        string            `json:"crc64"`
	ContentType  string            `json:"contentType"`
	VersionID    string            `json:"versionId,omitempty"`
	Filename     string            `json:"filename"`
	Metadata     map[string]string `json:"metadata"`
	Vars         map[string]string `json:"vars"`
	Context      json.RawMessage   `json:"context,omitempty"`
	UploadedAt   time.Time         `json:"uploadedAt"`
	EventID      string            `json:"eventId"`
	Delivered    bool              `json:"delivered"` // the application was told; else that is queued
	ReceiptToken string            `json:"receiptToken,omitempty"`

	// Line is the receipt as it was sent, on one line. ParseReceipt sets it.
	Line []byte `json:"-"`
}

// ParseReceipt reads a receipt.
func ParseReceipt(text []byte) (Receipt, error) {
	var r Receipt
	var line bytes.Buffer
	if json.Unmarshal(text, &r) != nil || r.EventID == "" || json.Compact(&line, text) != nil {
		return Receipt{}, errors.New("the answer is not a receipt")
	}
	r.Line = line.Bytes()
	return r, nil
}

// Check holds the receipt against what was sent. crc64 is decimal; if it or the
// receipt's is empty, they are not compared.
func (r Receipt) Check(key string, size int64, crc64 string) error {
	switch {
	case r.Key != key:
		return errors.New("the receipt is for another object")
	case r.Size != size:
		return fmt.Errorf("the receipt says %d bytes, but %d were sent", r.Size, size)
	case r.CRC64 != "" && crc64 != "" && r.CRC64 != crc64:
		return fmt.Errorf("the receipt says CRC-64 %s, but %s was sent", Clean(r.CRC64), crc64)
	}
	return nil
}
