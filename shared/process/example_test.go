package process_test

import (
	"fmt"

	"ossupload/shared/process"
)

func ExampleCheck() {
	fmt.Println(process.Check("image/resize,m_fill,w_320,h_200/format,webp"))
	fmt.Println(process.Check("video/snapshot,t_7000,f_jpg,w_800"))
	fmt.Println(process.Check("image/resize,w_99999"))
	fmt.Println(process.Check("image/resize,w_320|sys/saveas,o_c2VjcmV0"))
	fmt.Println(process.Check("image/watermark,image_c2VjcmV0"))
	// Output:
	// <nil>
	// <nil>
	// process value not allowed: operation "resize": parameter "w" must be an integer from 1 to 16384
	// process value not allowed: operation "resize": parameter "w" must be an integer from 1 to 16384
	// process value not allowed: operation "watermark" is not on the list
}
