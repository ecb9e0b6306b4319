// Package process decides which values of x-oss-process may be signed into a
// download URL.
//
// The parameter makes OSS change what a GET answers, and some of its values do
// more than that: a watermark reads another object, sys/saveas writes one, a
// style runs whatever somebody stored under its name. A signer that passed a
// caller's value through would lend its own rights to all of these. So a value
// is parsed completely, and everything in it must be on one list (allowed.go):
//
//	image/resize,w_300,h_200/quality,q_90/format,webp
//	└─┬─┘ └─┬──┘ └─┬─┘       └──────┬───┘ └────┬────┘
//	category operation parameter   further operations, in order
//
//	value     = category "/" operation *( "/" operation )
//	operation = name                               info
//	          / name "," word                      rotate,90
//	          / name 1*( "," key "_" word )        resize,w_300
//
// The package promises that an accepted value reads the requested object and
// nothing else, writes nothing, and has only the bytes [A-Za-z0-9,_/-], so that
// it looks the same percent-encoded or not. There is no separate list of bad
// bytes or bad names: names, keys and words are compared whole and exactly, and
// what is not listed is refused, whatever OSS may learn to do with it.
//
// It does not promise that OSS accepts the value: whether a crop lies inside
// the image, or the region converts to AVIF, OSS alone can tell.
package process

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLen is the length in bytes beyond which no value is accepted.
const MaxLen = 512

// ErrProcess is what every refusal wraps.
var ErrProcess = errors.New("process value not allowed")

// Check reports why value cannot be signed as x-oss-process, or nil if it can.
// The error wraps ErrProcess and names the operation at fault; it is fit to be
// shown to the caller and quotes at most 64 bytes of the value.
func Check(value string) error {
	if err := check(value); err != nil {
		return fmt.Errorf("%w: %v", ErrProcess, err)
	}
	return nil
}

func check(value string) error {
	if value == "" {
		return errors.New("it is empty")
	}
	if len(value) > MaxLen {
		return fmt.Errorf("%d bytes are more than %d", len(value), MaxLen)
	}
	name, rest, _ := strings.Cut(value, "/")
	category, ok := categories()[name]
	if !ok {
		return fmt.Errorf("%s is neither image/ nor video/", quote(name))
	}
	return category.check(strings.Split(rest, "/"))
}

func (c category) check(segments []string) error {
	if len(segments) > c.most {
		return fmt.Errorf("%d operations are more than %d", len(segments), c.most)
	}
	seen := make(map[string]int)
	for i, segment := range segments {
		name, params, hasParams := strings.Cut(segment, ",")
		if name == "" {
			return fmt.Errorf("operation %d has no name", i+1)
		}
		op, ok := c.operations[name]
		if !ok {
			return fmt.Errorf("operation %s is not on the list", quote(name))
		}
		if seen[name]++; seen[name] > max(1, op.times) {
			return fmt.Errorf("operation %s is there %d times, at most %d allowed", quote(name), seen[name], max(1, op.times))
		}
		if op.last && i < len(segments)-1 {
			return fmt.Errorf("operation %s must be the last", quote(name))
		}
		if err := op.check(params, hasParams); err != nil {
			return fmt.Errorf("operation %s: %w", quote(name), err)
		}
	}
	return nil
}

// check holds what follows an operation's name against the operation's one
// form: nothing, a bare word, or keys.
func (o operation) check(params string, hasParams bool) error {
	switch {
	case o.bare.ok != nil:
		if !o.bare.ok(params) {
			return fmt.Errorf("its value must be %s", o.bare.want)
		}
		return nil
	case o.keys == nil:
		if hasParams {
			return errors.New("it takes no parameters")
		}
		return nil
	case !hasParams:
		return errors.New("it needs a parameter")
	}
	seen := make(map[string]bool)
	for param := range strings.SplitSeq(params, ",") {
		key, word, ok := strings.Cut(param, "_")
		if !ok {
			return errors.New("a parameter is not of the form key_value")
		}
		value, ok := o.keys[key]
		if !ok {
			return fmt.Errorf("parameter %s is not on the list", quote(key))
		}
		if seen[key] {
			return fmt.Errorf("parameter %s is there twice", quote(key))
		}
		seen[key] = true
		if !value.ok(word) {
			return fmt.Errorf("parameter %s must be %s", quote(key), value.want)
		}
	}
	for _, key := range o.needs {
		if !seen[key] {
			return fmt.Errorf("it needs the parameter %s", quote(key))
		}
	}
	return nil
}

// quote quotes a piece of the value, in ASCII, for an error message. It cuts at
// 16 bytes because an escape writes one byte as up to four: what a message
// repeats stays within the 64 bytes that Check promises even when escaped. The
// longest listed name just fits.
func quote(piece string) string {
	const most = 16
	if len(piece) > most {
		return fmt.Sprintf("%+q…", piece[:most])
	}
	return fmt.Sprintf("%+q", piece)
}
