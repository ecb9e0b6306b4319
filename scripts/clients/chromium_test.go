package clients_test

import "testing"

func testChromium(t *testing.T, dir, installed string) {}
