package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// grant is an answer to POST /presign: a URL for one object, and the token by
// which the functions know the upload.
type grant struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers"` // to be sent unchanged
	Key         string            `json:"key"`
	UploadToken string            `json:"uploadToken"`
}

// put uploads a file with one request. The file is read twice, first for the
// checksum that the grant then binds: it is small.
func (u *upload) put(ctx context.Context) (json.RawMessage, error) {
	crc, err := u.file.checksum()
	if err != nil {
		return nil, err
	}
	g, err := u.presign(ctx, crc)
	if err != nil {
		return nil, err
	}
	var (
		stored   json.RawMessage // the receipt
		unsure   bool            // a try got no answer: the object may be there
		replaced bool            // the URL was asked for again
	)
	err = u.client.retry.do(ctx, "sending the file", func(number int) error {
		for {
			a, err := u.putOnce(ctx, number, g, crc)
			switch {
			case err != nil:
				unsure = unsure || errors.As(err, new(*lostAnswer))
				return err
			case a.status == http.StatusOK:
				stored = a.body
				return nil
			case a.status == http.StatusNonAuthoritativeInfo, isExisting(a):
				// It is stored, by this try or by one whose answer was lost, but the
				// application has not been told for all we know.
				return nil
			case a.status == http.StatusForbidden && !replaced:
				// The URL has expired, or the credentials behind it. A new one is for
				// another object, so there must be none of this one.
				if unsure {
					receipt, err := u.confirm(ctx, g, crc)
					if !isStatus(err, http.StatusNotFound) {
						stored = receipt
						return final(err)
					}
				}
				if g, err = u.presign(ctx, crc); err != nil {
					return final(err)
				}
				replaced, unsure = true, false
			default:
				err := a.refusal(storage, u.client.now())
				unsure = unsure || err.status >= 500
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if receipt, err := checkReceipt(stored, g.Key, u.file.size, crc); err == nil {
		return receipt, nil
	}
	return u.confirm(ctx, g, crc)
}

// isExisting reports whether OSS refused to overwrite the object. The key was
// made for this upload alone, so that the object is this upload's.
func isExisting(a answer) bool {
	return a.status == http.StatusConflict && bytes.Contains(a.body, []byte("FileAlreadyExists"))
}

func (u *upload) presign(ctx context.Context, crc uint64) (grant, error) {
	var g grant
	err := u.client.call(ctx, "asking for a URL", http.MethodPost, "/presign", map[string]any{
		"filename":    u.filename,
		"size":        u.file.size,
		"contentType": u.wish.contentType,
		"metadata":    u.wish.metadata,
		"vars":        u.wish.vars,
		"checksum":    map[string]string{"crc64": decimal(crc)},
	}, &g)
	if err == nil && (g.Method != http.MethodPut || g.URL == "" || g.Key == "" || g.UploadToken == "") {
		err = errors.New("asking for a URL: the answer has none")
	}
	return g, err
}

// putOnce sends the file. The last bytes go only if all of them are what was
// hashed and the file is what it was.
func (u *upload) putOnce(ctx context.Context, number int, g grant, crc uint64) (answer, error) {
	if err := u.file.unchanged(); err != nil {
		return answer{}, err
	}
	if u.file.size == 0 {
		return u.client.send(ctx, number, g.URL, g.Headers, nil, 0)
	}
	b := u.file.body(0, u.file.size, u.progress.add, func(sent uint64) error {
		if sent != crc {
			return errChanged
		}
		return u.file.unchanged()
	})
	a, err := u.client.send(ctx, number, g.URL, g.Headers, b, u.file.size)
	if _, _, readErr := b.settle(); readErr != nil {
		a, err = answer{}, readErr
	}
	if err != nil || a.status/100 != 2 {
		b.takeBack()
	}
	return a, err
}

// confirm asks for the receipt of an upload whose announcement was lost, and
// has the application told.
func (u *upload) confirm(ctx context.Context, g grant, crc uint64) (json.RawMessage, error) {
	var receipt json.RawMessage
	err := u.client.call(ctx, "confirming the upload", http.MethodPost, "/confirm", map[string]string{"uploadToken": g.UploadToken}, &receipt)
	if err != nil {
		return nil, err
	}
	return checkReceipt(receipt, g.Key, u.file.size, crc)
}

// checkReceipt holds a receipt against what was sent, and returns it on one
// line.
func checkReceipt(text []byte, key string, size int64, crc uint64) (json.RawMessage, error) {
	var receipt struct {
		Key     string `json:"key"`
		Size    int64  `json:"size"`
		CRC64   string `json:"crc64"`
		EventID string `json:"eventId"`
	}
	var line bytes.Buffer
	switch err := json.Unmarshal(text, &receipt); {
	case err != nil, receipt.EventID == "", json.Compact(&line, text) != nil:
		return nil, errors.New("the answer is no receipt")
	case receipt.Key != key:
		return nil, errors.New("the receipt is of another object")
	case receipt.Size != size:
		return nil, fmt.Errorf("the receipt says %d bytes, sent were %d", receipt.Size, size)
	case receipt.CRC64 != "" && receipt.CRC64 != decimal(crc):
		return nil, fmt.Errorf("the receipt says CRC-64 %s, sent was %s", clean(receipt.CRC64), decimal(crc))
	}
	return line.Bytes(), nil
}
