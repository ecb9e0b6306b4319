package settings

import "ossupload/shared/callerauth"

// caller reads who is believed.
func (r *reader) caller() callerauth.Config {
	switch mode := r.text("AUTH_MODE", ""); mode {
	case "jwt":
		return r.tokenCaller()
	case "header":
		return r.headerCaller()
	case "none":
		if !r.boolean("AUTH_ALLOW_NONE") {
			r.fault("AUTH_MODE", "none lets everybody upload: it needs AUTH_ALLOW_NONE=true as well")
			return callerauth.Config{}
		}
		r.warn("AUTH_MODE", "is none: everybody who reaches this function may upload, as the subject anonymous")
		return callerauth.Config{None: true}
	case "":
		r.fault("AUTH_MODE", "is required: jwt, header or none")
	default:
		r.fault("AUTH_MODE", "%q is not jwt, header or none", mode)
	}
	return callerauth.Config{}
}

func (r *reader) headerCaller() callerauth.Config {
	name, value := r.required("AUTH_HEADER"), r.required("AUTH_HEADER_SECRET")
	if name == "" || value == "" {
		return callerauth.Config{}
	}
	secret := r.secret("AUTH_HEADER_SECRET", value, 32)
	if secret == nil {
		return callerauth.Config{}
	}
	return r.checked("AUTH_HEADER", callerauth.Config{Header: &callerauth.HeaderConfig{Name: name, Secret: secret}})
}

// tokenCaller reads whose tokens are believed: those of whoever shares a secret
// with us, or those of an issuer that publishes its keys. Never both: a token
// would then choose what it is verified with.
func (r *reader) tokenCaller() callerauth.Config {
	value, keys := r.text("AUTH_JWT_SECRET", ""), r.text("AUTH_JWKS_URL", "")
	switch {
	case value == "" && keys == "":
		r.fault("AUTH_JWT_SECRET", "is required, or AUTH_JWKS_URL")
		return callerauth.Config{}
	case value != "" && keys != "":
		r.fault("AUTH_JWKS_URL", "cannot be set beside AUTH_JWT_SECRET")
		return callerauth.Config{}
	case keys != "":
		return r.issuerCaller()
	}
	secret := r.secret("AUTH_JWT_SECRET", value, 32)
	if secret == nil {
		return callerauth.Config{}
	}
	return r.checked("AUTH_JWT_ALGS", callerauth.Config{JWT: &callerauth.JWTConfig{
		Secret:       secret,
		Algorithms:   r.list("AUTH_JWT_ALGS", "HS256"),
		Issuer:       r.text("AUTH_ISSUER", ""),
		Audience:     r.audience(),
		SubjectClaim: r.text("AUTH_SUBJECT_CLAIM", ""),
		TokenHeader:  r.tokenHeader(),
	}})
}

func (r *reader) issuerCaller() callerauth.Config {
	known := len(r.faults)
	keys, issuer := r.secureURL("AUTH_JWKS_URL"), r.required("AUTH_ISSUER")
	if len(r.faults) > known {
		return callerauth.Config{}
	}
	return r.checked("AUTH_JWT_ALGS", callerauth.Config{JWKS: &callerauth.JWKSConfig{
		URL:          keys,
		Algorithms:   r.list("AUTH_JWT_ALGS", ""),
		Issuer:       issuer,
		Audience:     r.audience(),
		SubjectClaim: r.text("AUTH_SUBJECT_CLAIM", ""),
		TokenHeader:  r.tokenHeader(),
	}})
}

// audience is whom tokens must be for. It has a default, so that no deployment
// takes tokens that its application made for something else.
func (r *reader) audience() string { return r.text("AUTH_AUDIENCE", "ossupload") }

// tokenHeader is left out when it is wrong, so that it is one fault and not two.
func (r *reader) tokenHeader() string {
	name := r.text("AUTH_TOKEN_HEADER", "")
	if name == "" {
		return ""
	}
	if err := callerauth.CheckTokenHeader(name); err != nil {
		r.check("AUTH_TOKEN_HEADER", err)
		return ""
	}
	return name
}

// checked lets callerauth say what is wrong; name is what is most likely to be.
func (r *reader) checked(name string, c callerauth.Config) callerauth.Config {
	r.check(name, c.Check())
	return c
}
