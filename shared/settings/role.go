package settings

import (
	"time"

	"ossupload/shared/rolecreds"
)

// Role is the RAM role that signs what clients get. Without an ARN the
// function's own credentials sign.
type Role struct {
	ARN         string
	Duration    time.Duration
	STSEndpoint string
	STSCAFile   string
}

func (r *reader) role() Role {
	role := Role{
		ARN:         r.text("UPLOAD_ROLE_ARN", ""),
		Duration:    r.duration("UPLOAD_ROLE_DURATION", time.Hour, 15*time.Minute, 12*time.Hour),
		STSEndpoint: r.text("STS_ENDPOINT", ""),
		STSCAFile:   r.text("STS_CA_FILE", ""),
	}
	if role.ARN != "" {
		r.check("UPLOAD_ROLE_ARN", rolecreds.CheckRoleARN(role.ARN))
	}
	return role
}

// stsEnabled needs a role to narrow: the function's own could do more than
// upload.
func (r *reader) stsEnabled(role Role) bool {
	enabled := r.boolean("STS_ENABLED")
	if enabled && role.ARN == "" {
		r.fault("STS_ENABLED", "needs UPLOAD_ROLE_ARN")
	}
	return enabled
}
