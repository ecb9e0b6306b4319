package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"ossupload/scripts/internal/probe"
	"ossupload/scripts/internal/probe/function"
)

// Prices in CNY, as of the standard storage class in regions of mainland China.
// Every call is taken to be one of the dearer kind, which store and list.
const (
	priceRequests = 0.01 // for 10,000 requests
	priceStorage  = 0.12 // for a GB in a month
	priceTraffic  = 0.50 // for a GB to the internet, by day
)

// pause is how long one call takes across the internet, more or less. waits are
// those of probes that wait for something not to happen.
const (
	pause = 150 * time.Millisecond
	waits = 20 * time.Second
)

// cost is at most what a plan costs, in CNY. What is stored is taken to be stored
// for a day, although it is removed at once.
func cost(p probe.Plan) float64 {
	gigabytes := float64(p.Bytes) / (1 << 30)
	return float64(p.Calls)/10_000*priceRequests + gigabytes*priceStorage/30 + gigabytes*priceTraffic
}

// announce says what will be done, before it is.
func announce(w io.Writer, targets []probe.Target, p probe.Plan) {
	for _, t := range targets {
		fmt.Fprintf(w, "Small objects will be stored in, and removed from, the bucket %s (%s)\nat %s://%s, below %s, where nothing may be yet.\n",
			t.Bucket, t.Region, t.Endpoint.Scheme, t.Endpoint.Host, t.Prefix)
	}
	if len(targets) == 0 {
		return
	}
	if t := targets[0]; t.RoleARN != "" {
		fmt.Fprintf(w, "The role %s will be assumed.\n", t.RoleARN)
	}
	if t := targets[0]; t.CallbackURL != "" {
		fmt.Fprintf(w, "OSS will be asked to call %s.\n", t.CallbackURL)
	}
	minutes := (time.Duration(p.Calls)*pause+waits).Truncate(time.Minute)/time.Minute + 1
	fmt.Fprintf(w, `Facts to try: %d, by at most %d calls with %d MB, cleanup included, in about %d min.
No setting of a bucket is changed.
That costs at most %.3f CNY, at %.2f CNY for 10,000 requests, %.2f for a GB that is stored for a month, and %.2f
for a GB that goes out: prices differ by region and change, see those of your account.
`, p.Facts, p.Calls, p.Bytes>>20, minutes, cost(p)+0.0005, priceRequests, priceStorage, priceTraffic)
}

// announceFunctions says what deployed functions will be asked.
func announceFunctions(w io.Writer, t function.Target) {
	fmt.Fprintf(w, "The functions at %s will be asked at most %d times", t.Endpoint, t.MaxCalls())
	if t.Token != "" {
		fmt.Fprintf(w, ", with %v in between when they are left alone;\nan object of five bytes will be uploaded, and stays; a multipart upload will be begun, and aborted", t.Pause)
	}
	fmt.Fprintln(w, ".")
}

// confirmed asks whether to go on. Nothing but yes is an answer.
func confirmed(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "go on? [y/N] ")
	line, _ := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
