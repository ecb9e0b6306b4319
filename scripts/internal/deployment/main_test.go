package deployment

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"testing"
)

func TestStatus(t *testing.T) {
	usage := errors.New("it cannot begin")
	for _, tt := range []struct {
		err  error
		want int
		says string
	}{
		{nil, 0, ""},
		{fmt.Errorf("parsing: %w", flag.ErrHelp), 0, ""}, // which was printed
		{fmt.Errorf("%w: no flags", usage), 2, "it cannot begin: no flags\n"},
		{errors.New("storage failed"), 1, "storage failed\n"},
	} {
		var stderr bytes.Buffer
		if got := status(tt.err, usage, &stderr); got != tt.want || stderr.String() != tt.says {
			t.Errorf("%v: status %d with %q, want %d with %q", tt.err, got, &stderr, tt.want, tt.says)
		}
	}
}
