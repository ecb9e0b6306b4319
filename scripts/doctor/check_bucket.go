package main

import (
	"context"
	"errors"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/roles"
)

const bucketPage = "README.md#deploy"

// bucketChecks look at what the bucket does with objects by itself.
var bucketChecks = []check{
	{
		id: "versioning.state", looks: "whether the bucket keeps versions", run: checkVersioning, after: []string{"oss.bucket"},
		mend: "it may be meant: nothing then forbids to write over an upload, whose versions have events of their own", page: "README.md#trust",
	},
	{
		id: "lifecycle.rules", looks: "the lifecycle rules can be read", run: checkLifecycle, after: []string{"oss.bucket"},
		mend: "let whoever runs this call oss:GetBucketLifecycle", page: bucketPage,
	},
	{
		id: "lifecycle.abort", looks: "a rule aborts multipart uploads below UPLOAD_PREFIX, but not before a week", run: checkLifecycleAbort, after: []string{"lifecycle.rules"},
		mend: "add a rule that aborts multipart uploads below UPLOAD_PREFIX after 8 days", page: bucketPage,
	},
	{
		id: "lifecycle.markers", looks: "rules delete old markers below _announced/ and _aborted/", run: checkLifecycleMarkers, after: []string{"lifecycle.rules"},
		mend: "add rules that delete what is 30 days old below _ossupload/{UPLOAD_PREFIX}_announced/ and _aborted/", page: bucketPage,
	},
	{
		id: "lifecycle.queue", looks: "no rule deletes events that wait, or dead letters", run: checkLifecycleQueue, after: []string{"lifecycle.rules"},
		mend: "narrow the rule: below _pending/ and _dead/ of _ossupload/{UPLOAD_PREFIX} nothing may expire", page: bucketPage,
	},
	{
		id: "lifecycle.uploads", looks: "whether a rule deletes uploads", run: checkLifecycleUploads, after: []string{"lifecycle.rules"},
		mend: "it may be meant", page: bucketPage,
	},
	{
		id: "lifecycle.noncurrent", looks: "where the bucket keeps versions, a rule deletes old ones of what is the functions' own", run: checkLifecycleNoncurrent,
		after: []string{"lifecycle.rules", "versioning.state"},
		mend:  "add a rule that deletes noncurrent versions below _ossupload/{UPLOAD_PREFIX}", page: bucketPage,
	},
	{
		id: "overwrite.rule", looks: "the bucket itself forbids to write over uploads", run: checkOverwrite, after: []string{"oss.bucket", "versioning.state"},
		mend: "add an overwrite rule that forbids it below UPLOAD_PREFIX: a second lock behind x-oss-forbid-overwrite", page: bucketPage,
	},
}

func checkVersioning(ctx context.Context, p *patient) verdict {
	res, err := p.bucket.GetBucketVersioning(ctx, &oss.GetBucketVersioningRequest{Bucket: &p.Settings.Storage.Bucket})
	if err != nil {
		return skipped("it may not be read: %v", plain(err))
	}
	p.versions = oss.ToString(res.VersionStatus)
	if p.versions == "" {
		return passed("it keeps none")
	}
	return warned("versioning is %s", strings.ToLower(p.versions))
}

func checkLifecycle(ctx context.Context, p *patient) verdict {
	res, err := p.bucket.GetBucketLifecycle(ctx, &oss.GetBucketLifecycleRequest{Bucket: &p.Settings.Storage.Bucket})
	var service *oss.ServiceError
	switch {
	case errors.As(err, &service) && service.Code == "NoSuchLifecycle":
		return passed("there are none")
	case err != nil:
		return skipped("they may not be read: %v", plain(err))
	}
	for _, r := range res.LifecycleConfiguration.Rules {
		if oss.ToString(r.Status) == "Enabled" {
			p.lifecycle = append(p.lifecycle, r)
		}
	}
	return passed("%d enabled", len(p.lifecycle))
}

// leastDays is a day more than an upload token lives: an upload is not aborted
// while somebody may go on with it.
const leastDays = 8

func checkLifecycleAbort(_ context.Context, p *patient) verdict {
	found := false
	for _, r := range p.lifecycle {
		if r.AbortMultipartUpload == nil || !whole(r, p.Settings.Policy.Prefix) {
			continue
		}
		if days := r.AbortMultipartUpload.Days; days != nil && *days < leastDays {
			return failed("the rule %s aborts after %d days, before an upload token has expired", oss.ToString(r.ID), *days)
		}
		found = true
	}
	if !found {
		return failed("none aborts multipart uploads below %s", p.Settings.Policy.Prefix)
	}
	return passed("a rule aborts what nobody completes")
}

// whole reports whether a rule is for all that is below prefix.
func whole(r oss.LifecycleRule, prefix string) bool {
	return strings.HasPrefix(prefix, oss.ToString(r.Prefix)) && len(r.Tags) == 0 && r.Filter == nil
}

// touches reports whether a rule is for anything that is below prefix.
func touches(r oss.LifecycleRule, prefix string) bool {
	own := oss.ToString(r.Prefix)
	return strings.HasPrefix(prefix, own) || strings.HasPrefix(own, prefix)
}

// expires reports whether a rule deletes objects, and not delete markers alone.
func expires(r oss.LifecycleRule) bool {
	return r.Expiration != nil && !oss.ToBool(r.Expiration.ExpiredObjectDeleteMarker)
}

func (p *patient) own(below string) string { return roles.Own + p.Settings.Policy.Prefix + below }

func checkLifecycleMarkers(_ context.Context, p *patient) verdict {
	for _, below := range []string{"_announced/", "_aborted/"} {
		found := false
		for _, r := range p.lifecycle {
			if !expires(r) || !whole(r, p.own(below)) {
				continue
			}
			if days := r.Expiration.Days; days != nil && *days < leastDays {
				return warned("the rule %s deletes markers of %d days, which uploads still need", oss.ToString(r.ID), *days)
			}
			found = true
		}
		if !found {
			return warned("none deletes what is old below %s", p.own(below))
		}
	}
	return passed("old markers are deleted")
}

func checkLifecycleQueue(_ context.Context, p *patient) verdict {
	for _, below := range []string{"_pending/", "_dead/"} {
		for _, r := range p.lifecycle {
			if expires(r) && touches(r, p.own(below)) {
				return failed("the rule %s deletes below %s", oss.ToString(r.ID), p.own(below))
			}
		}
	}
	return passed("none deletes events")
}

func checkLifecycleUploads(_ context.Context, p *patient) verdict {
	for _, r := range p.lifecycle {
		if expires(r) && touches(r, p.Settings.Policy.Prefix) {
			return warned("the rule %s deletes below %s", oss.ToString(r.ID), p.Settings.Policy.Prefix)
		}
	}
	return passed("none deletes uploads")
}

func checkLifecycleNoncurrent(_ context.Context, p *patient) verdict {
	if p.versions == "" {
		return passed("the bucket keeps no versions")
	}
	for _, r := range p.lifecycle {
		if r.NoncurrentVersionExpiration != nil && whole(r, p.own("")) {
			return passed("old versions are deleted")
		}
	}
	return failed("none deletes noncurrent versions below %s, where every queued event leaves some", p.own(""))
}

func checkOverwrite(ctx context.Context, p *patient) verdict {
	if p.versions != "" {
		return skipped("it has no effect where versions are kept")
	}
	res, err := p.bucket.GetBucketOverwriteConfig(ctx, &oss.GetBucketOverwriteConfigRequest{Bucket: &p.Settings.Storage.Bucket})
	var service *oss.ServiceError
	switch {
	case errors.As(err, &service) && service.StatusCode == 404:
		return warned("it has no such rule")
	case err != nil:
		return skipped("it may not be read: %v", plain(err))
	}
	for _, r := range res.OverwriteConfiguration.Rules {
		everybody := r.Principals == nil || len(r.Principals.Principals) == 0
		if strings.HasPrefix(p.Settings.Policy.Prefix, oss.ToString(r.Prefix)) && oss.ToString(r.Suffix) == "" && everybody {
			if touchesQueue := strings.HasPrefix(p.own(""), oss.ToString(r.Prefix)); touchesQueue {
				return failed("the rule %s is for %s too, where markers are written over", oss.ToString(r.ID), p.own(""))
			}
			return passed("a rule forbids it")
		}
	}
	return warned("none of its rules is for all below %s", p.Settings.Policy.Prefix)
}
