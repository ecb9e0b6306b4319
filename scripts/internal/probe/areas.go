package probe

// areas are the probes, by area.
var areas = [][]Probe{
	signProbes,
	accessProbes,
	objectProbes,
	formProbes,
	endpointProbes,
	callbackProbes, multipartProbes, copyProbes, deleteProbes, versionProbes, stsProbes,
}

// deployed is why package function tries a fact, or nobody does.
const deployed = "it takes a deployed function"

// missing are the facts that no probe of this package tries, and why.
var missing = map[string]string{
	"callback.any-customer":  "it takes a second account",
	"version.status-code":    "it takes a call that sets the versioning of a bucket, and those are never made",
	"lifecycle.abort":        "it takes a day at least",
	"trigger.events":         deployed,
	"trigger.vars":           deployed,
	"trigger.encoded-keys":   deployed,
	"credentials.no-end":     "it is a fact about code, and no cloud can tell",
	"credentials.fc-36h":     "it takes a deployed function, and 36 hours",
	"credentials.fc-renewal": "it takes a deployed function, and 36 hours",
	"sts.chained-hour":       "it takes a role whose longest session is longer, and credentials of another",
	"trigger.cloudevent":     deployed,
}
