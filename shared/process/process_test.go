package process_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"ossupload/shared/process"
)

var accepted = []string{
	// From the examples of the documents that the allow-list names.
	"image/resize,w_300/quality,q_90",
	"image/resize,w_100/auto-orient,1",
	"image/resize,w_100/auto-orient,0",
	"image/resize,l_923,h_600/format,heic",
	"image/crop,x_100,y_50",
	"image/crop,w_100,h_100/rounded-corners,r_10/format,png",
	"image/circle,r_100/format,png",
	"image/indexcrop,x_100,i_0",
	"image/indexcrop,y_100,i_10",
	"image/rotate,70",
	"image/blur,r_3,s_2",
	"image/contrast,-50",
	"image/contrast,50",
	"image/sharpen,100",
	"image/quality,Q_90",
	"image/interlace,1/format,jpg",
	"image/average-hue",
	"image/info",
	"video/snapshot,t_7000,f_jpg,w_800,h_600,m_fast",
	"video/snapshot,t_3000,f_jpg,w_800,h_600,ar_auto",

	// The ends of every range.
	"image/resize,p_1",
	"image/resize,p_1000",
	"image/resize,m_lfit,w_1,h_16384,limit_0",
	"image/resize,m_pad,w_100,h_100,color_00ffAA,limit_1",
	"image/resize,m_mfit,l_1",
	"image/resize,m_fixed,s_16384",
	"image/crop,w_0,h_16384,x_0,y_30000,g_se",
	"image/indexcrop,x_1,i_30000",
	"image/circle,r_1",
	"image/rounded-corners,r_4096",
	"image/rotate,0",
	"image/rotate,360",
	"image/blur,r_1,s_50",
	"image/bright,-100",
	"image/bright,0",
	"image/bright,100",
	"image/sharpen,50",
	"image/sharpen,399",
	"image/quality,q_1,Q_100",
	"image/format,jpeg",
	"image/format,webp",
	"image/format,bmp",
	"image/format,gif",
	"image/format,tiff",
	"image/format,avif",
	"image/interlace,0",
	"video/snapshot,t_0",
	"video/snapshot,t_2147483647,f_png,w_0,h_0,ar_w",

	// Steps that may come twice, and the longest chain.
	"image/crop,w_9/resize,w_9/crop,w_9/resize,w_9",
	"image/resize,w_100/info",
	"image/resize,w_9/crop,w_9/rotate,1/blur,r_1,s_1/bright,1/contrast,1/sharpen,50/quality,q_1/format,png/interlace,1",
}

func TestCheckAccepts(t *testing.T) {
	for _, value := range accepted {
		if err := process.Check(value); err != nil {
			t.Errorf("Check(%q) = %v, want nil", value, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	tests := []struct {
		name, value string
		want        string // the reason, after ErrProcess
	}{
		// What would read, write or run something else.
		{"an image watermark reads another object", "image/watermark,image_cGFuZGEucG5n", `operation "watermark" is not on the list`},
		{"a text watermark nests base64", "image/resize,w_9/watermark,text_SGVsbG8=", `operation "watermark" is not on the list`},
		{"a blind watermark", "image/blindwatermark,image_cGFuZGEucG5n", `operation "blindwatermark" is not on the list`},
		{"a stored style", "style/thumbnail", `"style" is neither image/ nor video/`},
		{"saving as another object", "sys/saveas,o_a2V5,b_YnVja2V0", `"sys" is neither image/ nor video/`},
		{"saving at the end of a pipe", "image/resize,w_9|sys/saveas,o_a2V5", `operation "resize": parameter "w" must be an integer from 1 to 16384`},
		{"a pipe after an operation without parameters", "image/info|sys/saveas,o_a2V5", `operation "info|sys" is not on the list`},
		{"a pipe at the end of a word", "image/format,png|", `operation "format": its value must be one of jpg, jpeg, png, webp, bmp, gif, tiff, heic, avif`},
		{"saveas as if it were an image operation", "image/saveas,o_a2V5", `operation "saveas" is not on the list`},
		{"sys as if it were an image operation", "image/resize,w_9/sys/saveas,o_a2V5", `operation "sys" is not on the list`},
		{"a face crop calls another service", "image/crop,g_face", `operation "crop": parameter "g" must be one of nw, north, ne, west, center, east, sw, south, se`},
		{"a face blur calls another service", "image/blur,g_face,r_1,s_1", `operation "blur": parameter "g" is not on the list`},
		{"document processing", "doc/preview", `"doc" is neither image/ nor video/`},
		{"audio processing", "audio/convert,f_mp3", `"audio" is neither image/ nor video/`},
		{"video conversion", "video/convert,f_mp4", `operation "convert" is not on the list`},
		{"several snapshots", "video/snapshots,f_jpg", `operation "snapshots" is not on the list`},
		{"image work on a snapshot", "video/snapshot,t_0/resize,w_9", "2 operations are more than 1"},
		{"an image operation on a video", "video/resize,w_9", `operation "resize" is not on the list`},
		{"a snapshot of an image", "image/snapshot,t_0", `operation "snapshot" is not on the list`},

		// Form.
		{"nothing", "", "it is empty"},
		{"only a slash", "/", `"" is neither image/ nor video/`},
		{"only a category", "image", "operation 1 has no name"},
		{"a category and nothing", "image/", "operation 1 has no name"},
		{"a slash before", "/image/info", `"" is neither image/ nor video/`},
		{"a slash after", "image/format,png/", "operation 2 has no name"},
		{"two slashes", "image//info", "operation 1 has no name"},
		{"two slashes in the middle", "image/rotate,1//rotate,1", "operation 2 has no name"},
		{"a comma for a name", "image/,w_9", "operation 1 has no name"},
		{"a dot segment", "image/../style/a", `operation ".." is not on the list`},
		{"a comma after", "image/resize,w_9,", `operation "resize": a parameter is not of the form key_value`},
		{"two commas", "image/resize,,w_9", `operation "resize": a parameter is not of the form key_value`},
		{"a comma after an operation without parameters", "image/info,", `operation "info": it takes no parameters`},
		{"a parameter to an operation without", "image/average-hue,w_9", `operation "average-hue": it takes no parameters`},
		{"no parameters", "image/resize", `operation "resize": it needs a parameter`},
		{"an empty parameter list", "image/resize,", `operation "resize": a parameter is not of the form key_value`},
		{"no bare word", "image/auto-orient", `operation "auto-orient": its value must be one of 0, 1`},
		{"an empty bare word", "image/rotate,", `operation "rotate": its value must be an integer from 0 to 360`},
		{"two bare words", "image/rotate,90,200", `operation "rotate": its value must be an integer from 0 to 360`},
		{"a key where a bare word belongs", "image/format,f_png", `operation "format": its value must be one of jpg, jpeg, png, webp, bmp, gif, tiff, heic, avif`},
		{"a bare word where a key belongs", "image/quality,90", `operation "quality": a parameter is not of the form key_value`},
		{"an empty key", "image/resize,_9", `operation "resize": parameter "" is not on the list`},
		{"an empty word", "image/resize,w_", `operation "resize": parameter "w" must be an integer from 1 to 16384`},
		{"two underscores", "image/resize,w__9", `operation "resize": parameter "w" must be an integer from 1 to 16384`},
		{"an unknown key", "image/resize,z_9", `operation "resize": parameter "z" is not on the list`},
		{"a key of another operation", "image/crop,l_9", `operation "crop": parameter "l" is not on the list`},
		{"a key twice", "image/resize,w_9,w_9", `operation "resize": parameter "w" is there twice`},
		{"a needed key left out", "image/blur,r_9", `operation "blur": it needs the parameter "s"`},
		{"a snapshot at no time", "video/snapshot,f_jpg", `operation "snapshot": it needs the parameter "t"`},

		// How often, and in what order.
		{"an output setting twice", "image/format,png/format,jpg", `operation "format" is there 2 times, at most 1 allowed`},
		{"a transformation three times", "image/resize,w_9/resize,w_9/resize,w_9", `operation "resize" is there 3 times, at most 2 allowed`},
		{"eleven operations", "image" + strings.Repeat("/rotate,1", 11), "11 operations are more than 10"},
		{"info before the end", "image/info/resize,w_9", `operation "info" must be the last`},
		{"info and the average tone", "image/average-hue/info", `operation "average-hue" must be the last`},
		{"513 bytes", "image/resize,w_" + strings.Repeat("9", 498), "513 bytes are more than 512"},
		{"512 bytes of one number", "image/resize,w_" + strings.Repeat("9", 497), `operation "resize": parameter "w" must be an integer from 1 to 16384`},

		// Ranges, one beyond.
		{"a width of nothing", "image/resize,w_0", `operation "resize": parameter "w" must be an integer from 1 to 16384`},
		{"a height too great", "image/resize,h_16385", `operation "resize": parameter "h" must be an integer from 1 to 16384`},
		{"a percentage too great", "image/resize,p_1001", `operation "resize": parameter "p" must be an integer from 1 to 1000`},
		{"an unknown mode", "image/resize,m_stretch", `operation "resize": parameter "m" must be one of lfit, mfit, fill, pad, fixed`},
		{"a limit that is no switch", "image/resize,limit_2", `operation "resize": parameter "limit" must be one of 0, 1`},
		{"a colour of three digits", "image/resize,color_fff", `operation "resize": parameter "color" must be six hexadecimal digits`},
		{"a colour that is no number", "image/resize,color_0000_0", `operation "resize": parameter "color" must be six hexadecimal digits`},
		{"a crop before the edge", "image/crop,x_-1", `operation "crop": parameter "x" must be an integer from 0 to 30000`},
		{"a slice of nothing", "image/indexcrop,x_0", `operation "indexcrop": parameter "x" must be an integer from 1 to 30000`},
		{"a radius too great", "image/circle,r_4097", `operation "circle": parameter "r" must be an integer from 1 to 4096`},
		{"a corner of nothing", "image/rounded-corners,r_0", `operation "rounded-corners": parameter "r" must be an integer from 1 to 4096`},
		{"more than a full turn", "image/rotate,361", `operation "rotate": its value must be an integer from 0 to 360`},
		{"too much blur", "image/blur,r_51,s_1", `operation "blur": parameter "r" must be an integer from 1 to 50`},
		{"too dark", "image/bright,-101", `operation "bright": its value must be an integer from -100 to 100`},
		{"too much contrast", "image/contrast,101", `operation "contrast": its value must be an integer from -100 to 100`},
		{"too little sharpening", "image/sharpen,49", `operation "sharpen": its value must be an integer from 50 to 399`},
		{"too much quality", "image/quality,q_101", `operation "quality": parameter "q" must be an integer from 1 to 100`},
		{"interlacing that is no switch", "image/interlace,2", `operation "interlace": its value must be one of 0, 1`},
		{"a format that OSS cannot write", "image/format,svg", `operation "format": its value must be one of jpg, jpeg, png, webp, bmp, gif, tiff, heic, avif`},
		{"a time beyond 31 bits", "video/snapshot,t_2147483648", `operation "snapshot": parameter "t" must be an integer from 0 to 2147483647`},
		{"a number beyond 64 bits", "image/rotate,18446744073709551706", `operation "rotate": its value must be an integer from 0 to 360`},
		{"a snapshot format that OSS cannot write", "video/snapshot,t_0,f_gif", `operation "snapshot": parameter "f" must be one of jpg, png`},
		{"an unknown snapshot mode", "video/snapshot,t_0,m_slow", `operation "snapshot": parameter "m" must be one of fast`},

		// One thing written another way.
		{"a leading zero", "image/rotate,090", `operation "rotate": its value must be an integer from 0 to 360`},
		{"a plus sign", "image/rotate,+90", `operation "rotate": its value must be an integer from 0 to 360`},
		{"minus zero", "image/bright,-0", `operation "bright": its value must be an integer from -100 to 100`},
		{"a fraction", "image/rotate,90.0", `operation "rotate": its value must be an integer from 0 to 360`},
		{"hexadecimal", "image/rotate,0x5a", `operation "rotate": its value must be an integer from 0 to 360`},
		{"a digit separator", "image/resize,w_1_000", `operation "resize": parameter "w" must be an integer from 1 to 16384`},
		{"digits of another script", "image/rotate,٩٠", `operation "rotate": its value must be an integer from 0 to 360`},
		{"an upper-case category", "Image/info", `"Image" is neither image/ nor video/`},
		{"an upper-case operation", "image/RESIZE,w_9", `operation "RESIZE" is not on the list`},
		{"an upper-case key", "image/resize,W_9", `operation "resize": parameter "W" is not on the list`},
		{"an upper-case word", "image/format,PNG", `operation "format": its value must be one of jpg, jpeg, png, webp, bmp, gif, tiff, heic, avif`},
		{"letters that fold to ASCII", "image/reſize,w_9", `operation "re\u017fize" is not on the list`},
		{"a percent-encoded slash", "image%2Finfo", `"image%2Finfo" is neither image/ nor video/`},
		{"a percent-encoded pipe", "image/rotate,90%7Csys", `operation "rotate": its value must be an integer from 0 to 360`},
		{"a space before", " image/info", `" image" is neither image/ nor video/`},
		{"a space after", "image/info ", `operation "info " is not on the list`},
		{"a line break", "image/info\n", `operation "info\n" is not on the list`},
		{"a zero byte", "image/info\x00", `operation "info\x00" is not on the list`},
		{"a second query parameter", "image/info&x-oss-a=b", `operation "info&x-oss-a=b" is not on the list`},
		{"a fragment", "image/info#", `operation "info#" is not on the list`},
		{"broken UTF-8", "image/\xff", `operation "\xff" is not on the list`},
		{"a backslash for a slash", `image\info`, `"image\\info" is neither image/ nor video/`},

		// Long pieces are cut, and escapes do not lengthen them past the promise.
		{"a long category", strings.Repeat("c", 500), `"` + strings.Repeat("c", 16) + `"… is neither image/ nor video/`},
		{"a long operation", "image/" + strings.Repeat("o", 500), `operation "` + strings.Repeat("o", 16) + `"… is not on the list`},
		{"a long key", "image/rounded-corners," + strings.Repeat("k", 160) + "_1", `operation "rounded-corners": parameter "` + strings.Repeat("k", 16) + `"… is not on the list`},
		{"many backslashes", strings.Repeat(`\`, 100), `"` + strings.Repeat(`\\`, 16) + `"… is neither image/ nor video/`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := process.Check(tt.value)
			if !errors.Is(err, process.ErrProcess) {
				t.Fatalf("Check(%q) = %v, want an ErrProcess", tt.value, err)
			}
			if got, want := err.Error(), process.ErrProcess.Error()+": "+tt.want; got != want {
				t.Errorf("Check(%q) = %s, want %s", tt.value, got, want)
			}
		})
	}
}

// No accepted value stays accepted when a byte that none may have is put into
// it, wherever that is.
func TestCheckRefusesForeignBytesAnywhere(t *testing.T) {
	for _, value := range accepted {
		for i := range len(value) + 1 {
			for b := range 256 {
				foreign := string([]byte{byte(b)})
				if safe.MatchString(foreign) {
					continue
				}
				changed := value[:i] + foreign + value[i:]
				if process.Check(changed) == nil {
					t.Fatalf("Check(%q) = nil, want an error", changed)
				}
			}
		}
	}
}

var safe = regexp.MustCompile(`^[A-Za-z0-9,_/-]+$`)

func FuzzCheck(f *testing.F) {
	for _, value := range accepted {
		f.Add(value)
	}
	f.Add("image/resize,w_9|sys/saveas,o_a2V5,b_YnVja2V0")
	f.Add("image/watermark,image_cGFuZGEucG5n")
	f.Add("style/thumbnail")
	f.Fuzz(func(t *testing.T, value string) {
		err := process.Check(value)
		if err != nil {
			if !errors.Is(err, process.ErrProcess) {
				t.Errorf("Check(%q) = %v, want an ErrProcess", value, err)
			}
			for i := 0; i+65 <= len(value); i++ {
				if strings.Contains(err.Error(), value[i:i+65]) {
					t.Errorf("Check(%q) = %v, which repeats 65 bytes of it", value, err)
				}
			}
			return
		}
		if len(value) > process.MaxLen {
			t.Errorf("Check accepts %d bytes, want at most %d", len(value), process.MaxLen)
		}
		if !safe.MatchString(value) {
			t.Errorf("Check(%q) = nil, want an error: it has bytes outside %v", value, safe)
		}
		for _, word := range []string{"watermark", "style", "sys", "|", "saveas"} {
			if strings.Contains(value, word) {
				t.Errorf("Check(%q) = nil, want an error: it contains %q", value, word)
			}
		}
	})
}
