package fchttp

// Fault is what is wrong with one field of a request; a list of them is the
// details of an InvalidRequest.
type Fault struct {
	Field  string `json:"field"` // the path of JSON names, as checksum.md5
	Reason string `json:"reason"`
}

// Invalid is the InvalidRequest that names every fault.
func Invalid(faults []Fault) *Error {
	return &Error{Code: InvalidRequest, Message: "Some fields of the request are not valid.", Details: faults}
}
