package deployment

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"ossupload/scripts/internal/cmdline"
)

func TestStatus(t *testing.T) {
	usage := errors.New("it cannot begin")
	for _, tt := range []struct {
		err  error
		want int
		says string
	}{
		{nil, 0, ""},
		{fmt.Errorf("parsing: %w", &cmdline.Answer{Text: "the usage"}), 0, ""},
		{fmt.Errorf("%w: no flags", usage), 2, "it cannot begin: no flags\n"},
		{errors.New("storage failed"), 1, "storage failed\n"},
	} {
		var stdout, stderr bytes.Buffer
		if got := status(tt.err, usage, &stdout, &stderr); got != tt.want || stderr.String() != tt.says {
			t.Errorf("%v: status %d with %q, want %d with %q", tt.err, got, &stderr, tt.want, tt.says)
		}
	}
}
