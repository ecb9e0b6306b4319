package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/roles"
	"ossupload/shared/assumerole"
)

const (
	roleMend = "give the role UPLOAD_ROLE_ARN the permissions that scripts/ram prints"
	rolePage = "README.md#deploy"
)

// roleChecks try what the upload role may do, and what it may not. They leave
// nothing behind: what is read does not exist, and what is written has a digest
// that OSS refuses after it has judged the permission.
var roleChecks = []check{
	{
		id: "role.assume", looks: "the upload role exists and can be assumed", run: checkAssume, after: []string{"oss.credentials"},
		mend: "make the role, and let ossupload-presign, ossupload-complete and whoever runs this assume it", page: rolePage,
	},
	{
		id: "role.read", looks: "the upload role may read uploads (oss:GetObject)", run: checkRoleRead,
		after: []string{"role.assume", "oss.bucket"}, mend: roleMend, page: rolePage,
	},
	{
		id: "role.list-parts", looks: "the upload role may list parts (oss:ListParts)", run: checkRoleListParts,
		after: []string{"role.assume", "oss.bucket"}, mend: roleMend, page: rolePage,
	},
	{
		id: "role.abort", looks: "the upload role may abort multipart uploads (oss:AbortMultipartUpload)", run: checkRoleAbort, writes: true,
		after: []string{"role.assume", "oss.bucket"}, mend: roleMend, page: rolePage,
	},
	{
		id: "role.write", looks: "the upload role may store uploads (oss:PutObject)", run: checkRoleWrite, writes: true,
		after: []string{"role.assume", "oss.bucket"}, mend: roleMend, page: rolePage,
	},
	{
		id: "role.own-read", looks: "the upload role may not read what is the functions' own", run: checkRoleOwnRead,
		after: []string{"role.assume", "oss.bucket"}, mend: "take away what scripts/ram does not print: whoever holds a signature could read the queue", page: rolePage,
	},
	{
		id: "role.own-write", looks: "the upload role may not write what is the functions' own", run: checkRoleOwnWrite, writes: true,
		after: []string{"role.assume", "oss.bucket"}, mend: "take away what scripts/ram does not print: credentials of STS could forge the queue", page: rolePage,
	},
	{
		id: "role.list", looks: "the upload role may not list the bucket", run: checkRoleList,
		after: []string{"role.assume", "oss.bucket"}, mend: "take oss:ListObjects from the role", page: rolePage,
	},
	{
		id: "role.delete", looks: "the upload role may not delete uploads", run: checkRoleDelete, writes: true,
		after: []string{"role.assume", "oss.bucket"}, mend: "take oss:DeleteObject from the role", page: rolePage,
	},
}

// checkAssume assumes the role as whoever runs this. The functions do it with
// roles of their own, so that a refusal may be about the operator alone.
func checkAssume(ctx context.Context, p *patient) verdict {
	r := p.Settings.Role
	if r.ARN == "" {
		return skipped("UPLOAD_ROLE_ARN is not set: presign and complete sign with roles of their own, which nobody else can try")
	}
	source, err := assumerole.New(assumerole.Config{
		Base: p.source, RoleARN: r.ARN, SessionName: "ossupload-doctor", Endpoint: r.STSEndpoint, Region: p.Settings.Storage.Region, CAFile: r.STSCAFile, Now: p.now,
	})
	if err != nil {
		return failed("%v", err)
	}
	if _, err = source.Credentials(ctx); err == nil {
		p.role = p.storageAs(source)
		return passed("%s", r.ARN)
	}
	if !errors.Is(err, assumerole.ErrDenied) || !strings.HasSuffix(err.Error(), "NoPermission") {
		return failed("%s: %v", r.ARN, err)
	}
	if p.token == "" || p.base == "" {
		return warned("whoever runs this cannot assume it, which is fine if the functions can: -token would tell")
	}
	if p.presign(ctx) == nil {
		return warned("the functions can assume it, but whoever runs this cannot: what it may do is not tried")
	}
	return failed("%s: %v", r.ARN, err)
}

// asRole makes a call as the upload role, and returns OSS's code, "" for a
// success.
func asRole(p *patient, call func(*oss.Client) error) (code string, err error) {
	if p.role == nil {
		return "", errors.New("nobody here can assume it")
	}
	if err = call(p.role); err == nil {
		return "", nil
	}
	if service := (*oss.ServiceError)(nil); errors.As(err, &service) {
		if service.StatusCode == http.StatusForbidden {
			return "AccessDenied", nil
		}
		return service.Code, nil
	}
	return "", plain(err)
}

// allowed and refused judge what the role was answered. A refusal is AccessDenied;
// anything else OSS says only to those who may.
func allowed(what, code string, err error) verdict {
	switch {
	case err != nil:
		return skipped("%s: %v", what, err)
	case code == "AccessDenied":
		return failed("%s is refused", what)
	}
	return passed("%s is allowed", what)
}

func refused(what, code string, err error) verdict {
	switch {
	case err != nil:
		return skipped("%s: %v", what, err)
	case code == "AccessDenied":
		return passed("%s is refused", what)
	}
	return failed("%s is allowed", what)
}

// unused is a key below prefix at which nothing is.
func (p *patient) unused(prefix string) string {
	random := make([]byte, 16)
	if _, err := io.ReadFull(p.random, random); err != nil {
		panic("doctor: " + err.Error())
	}
	return prefix + "doctor/" + hex.EncodeToString(random)
}

// checkRoleRead looks at an upload, if there is one. Of a key at which nothing is,
// OSS may say that access is denied to whoever may not list.
func checkRoleRead(ctx context.Context, p *patient) verdict {
	at := p.Settings.Storage
	prefix := p.Settings.Policy.Prefix
	key, exists := p.unused(prefix), false
	if page, err := p.bucket.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: &at.Bucket, Prefix: &prefix, MaxKeys: 1}); err == nil && len(page.Contents) > 0 {
		key, exists = oss.ToString(page.Contents[0].Key), true
	}
	code, err := asRole(p, func(c *oss.Client) error {
		_, err := c.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: &at.Bucket, Key: &key})
		return err
	})
	v := allowed("oss:GetObject below "+prefix, code, err)
	if v.status == statusFail && !exists {
		return warned("oss:GetObject of a key at which nothing is is refused, which may be for want of oss:ListObjects: look again when something has been uploaded")
	}
	return v
}

func checkRoleListParts(ctx context.Context, p *patient) verdict {
	key := p.unused(p.Settings.Policy.Prefix)
	code, err := asRole(p, func(c *oss.Client) error {
		_, err := c.ListParts(ctx, &oss.ListPartsRequest{Bucket: &p.Settings.Storage.Bucket, Key: &key, UploadId: oss.Ptr(noUpload)})
		return err
	})
	return allowed("oss:ListParts", code, err)
}

// noUpload is the id of no upload.
const noUpload = "00000000000000000000000000000000"

func checkRoleAbort(ctx context.Context, p *patient) verdict {
	key := p.unused(p.Settings.Policy.Prefix)
	code, err := asRole(p, func(c *oss.Client) error {
		_, err := c.AbortMultipartUpload(ctx, &oss.AbortMultipartUploadRequest{Bucket: &p.Settings.Storage.Bucket, Key: &key, UploadId: oss.Ptr(noUpload)})
		return err
	})
	return allowed("oss:AbortMultipartUpload", code, err)
}

// put tries to store a byte as the role. Its digest is wrong, so that nothing is.
func (p *patient) put(ctx context.Context, key string) (code string, err error) {
	const wrong = "AAAAAAAAAAAAAAAAAAAAAA=="
	return asRole(p, func(c *oss.Client) error {
		_, err := c.PutObject(ctx, &oss.PutObjectRequest{
			Bucket: &p.Settings.Storage.Bucket, Key: &key, ContentMD5: oss.Ptr(wrong), ForbidOverwrite: oss.Ptr("true"), Body: strings.NewReader("?"),
		})
		return err
	})
}

func checkRoleWrite(ctx context.Context, p *patient) verdict {
	code, err := p.put(ctx, p.unused(p.Settings.Policy.Prefix))
	return allowed("oss:PutObject below "+p.Settings.Policy.Prefix, code, err)
}

func checkRoleOwnRead(ctx context.Context, p *patient) verdict {
	own := roles.Own + p.Settings.Policy.Prefix
	key := p.unused(own)
	code, err := asRole(p, func(c *oss.Client) error {
		_, err := c.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: &p.Settings.Storage.Bucket, Key: &key})
		return err
	})
	return refused("oss:GetObject below "+own, code, err)
}

func checkRoleOwnWrite(ctx context.Context, p *patient) verdict {
	own := roles.Own + p.Settings.Policy.Prefix
	code, err := p.put(ctx, p.unused(own))
	return refused("oss:PutObject below "+own, code, err)
}

func checkRoleList(ctx context.Context, p *patient) verdict {
	code, err := asRole(p, func(c *oss.Client) error {
		_, err := c.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: &p.Settings.Storage.Bucket, MaxKeys: 1})
		return err
	})
	return refused("oss:ListObjects", code, err)
}

func checkRoleDelete(ctx context.Context, p *patient) verdict {
	key := p.unused(p.Settings.Policy.Prefix)
	code, err := asRole(p, func(c *oss.Client) error {
		_, err := c.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: &p.Settings.Storage.Bucket, Key: &key})
		return err
	})
	return refused("oss:DeleteObject", code, err)
}
