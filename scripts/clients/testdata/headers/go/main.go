// Command go URL FILE HEADER... sends FILE by net/http.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	content, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPut, os.Args[1], strings.NewReader(string(content)))
	if err != nil {
		log.Fatal(err)
	}
	for _, header := range os.Args[3:] {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(os.Stdout, res.Body); err != nil {
		log.Fatal(err)
	}
}
