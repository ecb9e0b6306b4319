package probe

// areas are the probes, by area.
var areas = [][]Probe{
	signProbes,
	accessProbes,
	objectProbes,
	formProbes,
	endpointProbes,
}

// missing are the facts that no probe of this package tries, and why.
var missing = map[string]string{}
