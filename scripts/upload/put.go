package main

import (
	"context"
	"encoding/json"

	"ossupload/scripts/internal/client"
)

// put uploads a file with one request. The file is read twice, first for the
// checksum that the grant then binds: it is small.
func (u *upload) put(ctx context.Context) (json.RawMessage, error) {
	crc, err := u.file.checksum()
	if err != nil {
		return nil, err
	}
	source := u.file.source(0, u.file.size, u.progress.add)
	// The last bytes go only if all of them are what was hashed.
	source.Last = func(sent uint64) error {
		if sent != crc {
			return errChanged
		}
		return u.file.unchanged()
	}
	receipt, err := u.client.Put(ctx, client.PresignRequest{
		Filename:    u.filename,
		ContentType: u.wish.contentType,
		Metadata:    u.wish.metadata,
		Vars:        u.wish.vars,
		Checksum:    &client.Checksum{CRC64: client.Decimal(crc)},
	}, source)
	return receipt.Line, err
}
