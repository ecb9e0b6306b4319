package process

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// category is the first word of a value: which operations may follow it, and
// how many at the most.
type category struct {
	most       int
	operations map[string]operation
}

// operation is one step of the processing. It takes a bare word (bare), keys
// (keys, each at most once, those of needs always), or nothing if both are
// zero.
type operation struct {
	bare  value
	keys  map[string]value
	needs []string

	// times is how often the operation may be applied, 0 meaning once. What
	// changes the image may sensibly come before and after another step; what
	// sets a property of the answer has one last word, so saying it twice is
	// a mistake or an attempt to make work.
	times int

	// last is set where the answer is no longer an image.
	last bool
}

// value is the type and range of a word.
type value struct {
	want string // completes "must be …"
	ok   func(word string) bool
}

const (
	// maxTarget is the widest and highest image that OSS produces ("Resize
	// images", "Custom crop"), in pixels.
	maxTarget = 16384
	// maxSource is the widest and highest image that OSS reads ("Resize
	// images"): the bound of documented ranges that end with the image itself.
	maxSource = 30000
	// maxRadius is that of "Circle crop" and "Rounded rectangle".
	maxRadius = 4096
)

// categories is the list of everything that is allowed. Each entry names the
// page of the OSS documentation, as titled in 2026, that its keys and ranges
// are from. No start pays for it.
//
// Left out on purpose, and to stay out:
//
//   - "Image watermarks" and blind watermarks: image_ reads another object,
//     and parameters nest base64 that would have to be parsed in turn.
//   - "Image styles" (style/name): runs what is stored under a name.
//   - sys/saveas and every pipe (|): writes an object.
//   - g_face and g_faces of crop and blur: they call an Intelligent Media
//     Management project bound to the bucket, with charges of its own.
//   - Document, audio, and asynchronous video processing: other services.
var categories = sync.OnceValue(func() map[string]category {
	return map[string]category{

		// "Image processing"
		"image": {most: 10, operations: map[string]operation{

			// "Resize images". With m_pad, color fills what stays empty.
			"resize": {times: 2, keys: map[string]value{
				"m":     oneOf("lfit", "mfit", "fill", "pad", "fixed"),
				"w":     integer(1, maxTarget),
				"h":     integer(1, maxTarget),
				"l":     integer(1, maxTarget), // longer side
				"s":     integer(1, maxTarget), // shorter side
				"limit": oneOf("0", "1"),       // 0: may enlarge
				"color": rgb,
				"p":     integer(1, 1000), // percent
			}},

			// "Custom crop". Zero, like no w or h, means as far as the edge.
			"crop": {times: 2, keys: map[string]value{
				"w": integer(0, maxTarget),
				"h": integer(0, maxTarget),
				"x": integer(0, maxSource),
				"y": integer(0, maxSource),
				"g": oneOf("nw", "north", "ne", "west", "center", "east", "sw", "south", "se"),
			}},

			// "Indexed slice". If both x and y are given, OSS takes y.
			"indexcrop": {keys: map[string]value{
				"x": integer(1, maxSource),
				"y": integer(1, maxSource),
				"i": integer(0, maxSource),
			}},

			// "Circle crop"
			"circle": {needs: []string{"r"}, keys: map[string]value{
				"r": integer(1, maxRadius),
			}},

			// "Rounded rectangle"
			"rounded-corners": {needs: []string{"r"}, keys: map[string]value{
				"r": integer(1, maxRadius),
			}},

			// "Auto-rotate"
			"auto-orient": {bare: oneOf("0", "1")},

			// "Rotate", clockwise in degrees.
			"rotate": {times: 2, bare: integer(0, 360)},

			// "Blur": radius and standard deviation.
			"blur": {needs: []string{"r", "s"}, keys: map[string]value{
				"r": integer(1, 50),
				"s": integer(1, 50),
			}},

			// "Brightness"
			"bright": {bare: integer(-100, 100)},

			// "Contrast"
			"contrast": {bare: integer(-100, 100)},

			// "Sharpen"
			"sharpen": {bare: integer(50, 399)},

			// "Quality adjustment": q is relative to the source, Q absolute. The one
			// place where upper case means something.
			"quality": {keys: map[string]value{
				"q": integer(1, 100),
				"Q": integer(1, 100),
			}},

			// "Format conversion" and "Advanced compression of HEIF or AVIF images".
			// jpeg is not in the document's table, but widely used for jpg.
			"format": {bare: oneOf("jpg", "jpeg", "png", "webp", "bmp", "gif", "tiff", "heic", "avif")},

			// "Gradual display"
			"interlace": {bare: oneOf("0", "1")},

			// "Query image information": answers JSON.
			"info": {last: true},

			// "Average tone": answers a colour as text.
			"average-hue": {last: true},
		}},

		"video": {most: 1, operations: map[string]operation{

			// "Video snapshot": t in milliseconds, past the end meaning the last
			// frame; w and h 0 meaning as the other says.
			"snapshot": {needs: []string{"t"}, keys: map[string]value{
				"t":  integer(0, math.MaxInt32),
				"f":  oneOf("jpg", "png"),
				"w":  integer(0, maxSource),
				"h":  integer(0, maxSource),
				"m":  oneOf("fast"),
				"ar": oneOf("auto", "h", "w"),
			}},
		}},
	}
})

// rgb is a colour as RRGGBB. Documents write it in upper case, people in both.
var rgb = value{
	want: "six hexadecimal digits",
	ok: func(word string) bool {
		return len(word) == 6 && strings.Trim(word, "0123456789abcdefABCDEF") == ""
	},
}

// integer is a decimal number from low to high, both included, written the one
// way that a number prints: no sign but a minus, no leading zero.
func integer(low, high int) value {
	return value{
		want: fmt.Sprintf("an integer from %d to %d", low, high),
		ok: func(word string) bool {
			n, err := strconv.Atoi(word)
			return err == nil && strconv.Itoa(n) == word && low <= n && n <= high
		},
	}
}

func oneOf(words ...string) value {
	return value{
		want: "one of " + strings.Join(words, ", "),
		ok:   func(word string) bool { return slices.Contains(words, word) },
	}
}
