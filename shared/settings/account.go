package settings

// Account is what a program needs that calls OSS and STS as a deployment would,
// and is none: storage and role, and nothing about uploads.
type Account struct {
	Storage  Storage
	Role     Role
	Warnings []string
}

// LoadAccount reads what such a program needs.
func LoadAccount(lookup Lookup) (Account, error) {
	r := &reader{lookup: lookup}
	a := Account{Storage: r.storage(), Role: r.role()}
	a.Warnings = r.warns
	return a, r.err()
}

// Bucket is what a program needs that looks after the bucket of a deployment.
type Bucket struct {
	Storage  Storage
	Prefix   string
	Origins  []string // CORS_ORIGINS
	Warnings []string
}

// LoadBucket reads what such a program needs.
func LoadBucket(lookup Lookup) (Bucket, error) {
	r := &reader{lookup: lookup}
	b := Bucket{Storage: r.storage(), Prefix: r.prefix(), Origins: r.corsOrigins()}
	b.Warnings = r.warns
	return b, r.err()
}
