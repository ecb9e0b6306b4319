package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"ossupload/scripts/internal/client"
)

// put uploads a file with one request. The file is read twice, first for the
// checksum that the grant then binds: it is small.
//
// Before a byte goes, what the upload can be confirmed by is kept. So a file is
// not sent again that an earlier run has stored without getting its receipt,
// whether its answer was lost, it was not confirmed, or the run was killed.
func (u *upload) put(ctx context.Context) (json.RawMessage, error) {
	crc, err := u.file.checksum()
	if err != nil {
		return nil, err
	}
	wanted := u.wanted()
	wanted.PartAsked, wanted.CRC64 = 0, client.Decimal(crc)
	if receipt, err := u.confirmEarlier(ctx, wanted); receipt != nil || err != nil {
		return receipt, err
	}
	done, err := u.slots.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()

	source := u.file.source(0, u.file.size, u.progress.add)
	// The last bytes go only if all of them are what was hashed.
	source.Last = func(sent uint64) error {
		if sent != crc {
			return errChanged
		}
		return u.file.unchanged()
	}
	note := func(g client.Grant) {
		wanted.Key, wanted.UploadToken = g.Key, g.UploadToken
		if err := u.states.save(wanted); err != nil {
			u.progress.note("if this is interrupted, another run will send it again: %v", err)
		}
	}
	receipt, err := u.client.PutNoted(ctx, u.presign(crc), source, note)
	switch {
	case err == nil, errors.Is(err, errChanged):
		u.states.remove(wanted)
	case errors.Is(err, client.ErrUnconfirmed) && u.states.enabled():
		err = fmt.Errorf("%w; the same command confirms it", err)
	}
	return receipt.Line, err
}

// presign is what is asked of a single PUT.
func (u *upload) presign(crc uint64) client.PresignRequest {
	return client.PresignRequest{
		Filename:    u.filename,
		ContentType: u.wish.contentType,
		Metadata:    u.wish.metadata,
		Vars:        u.wish.vars,
		Checksum:    &client.Checksum{CRC64: client.Decimal(crc)},
	}
}

// confirmEarlier returns the receipt of this very file if an earlier run has
// stored it, or nil if it has to be sent.
func (u *upload) confirmEarlier(ctx context.Context, wanted saved) (json.RawMessage, error) {
	known, same := u.states.load(wanted)
	switch {
	case known == nil:
		return nil, nil
	case !same:
		u.giveUp(ctx, *known)
		return nil, nil
	}
	receipt, err := u.client.Confirm(ctx, known.UploadToken)
	switch {
	case err == nil:
		err = receipt.Check(known.Key, u.file.size, wanted.CRC64)
	case client.IsCode(err, "not_found"), client.IsCode(err, "invalid_token"), client.IsCode(err, "object_mismatch"):
		// It was not stored, or is no more; or its token is too old, or another
		// caller's.
	default:
		return nil, fmt.Errorf("asking whether an earlier run has stored it: %w; the same command asks again", err)
	}
	u.states.remove(*known)
	if err != nil {
		return nil, nil
	}
	u.progress.skip(u.file.size)
	u.progress.note("an earlier run has stored it: confirmed, and not sent again")
	return receipt.Line, nil
}
