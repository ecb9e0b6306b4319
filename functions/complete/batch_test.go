package main

import "testing"

func TestParsePartNumbers(t *testing.T) {
	tests := []struct {
		list   string
		last   int64
		most   int
		count  int    // of numbers
		reason string // "" means accepted
	}{
		{"1", 10000, 1000, 1, ""},
		{"1,2,5-900", 10000, 1000, 898, ""},
		{"10000", 10000, 1000, 1, ""},
		{"5-5", 10000, 1000, 1, ""},
		{"3,1,2", 10000, 1000, 3, ""},
		{"1-1000", 10000, 1000, 1000, ""},
		{"1-10000", 10000, 10000, 10000, ""},
		{"1-1001", 10000, 1000, 0, "must name at most 1000 parts"},
		{"1-999,1000,1001", 10000, 1000, 0, "must name at most 1000 parts"},
		{"1-10001", 10000, 10000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"", 10000, 1000, 0, "is required: part numbers and ranges, as 1,2,5-900"},
		{"0", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"-1", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"4", 3, 1000, 0, "must be part numbers from 1 to 3 and ranges of them, as 1,2,5-900"},
		{"01", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"1e3", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"1,,2", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"1-", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"1-2-3", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{" 1", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
		{"9-3", 10000, 1000, 0, "has the range 9-3, which is reversed"},
		{"1,1", 10000, 1000, 0, "names part 1 twice"},
		{"1-5,4-9", 10000, 1000, 0, "names part 4 twice"},
		{"99999999999999999999", 10000, 1000, 0, "must be part numbers from 1 to 10000 and ranges of them, as 1,2,5-900"},
	}
	for _, tt := range tests {
		numbers, reason := parsePartNumbers(tt.list, tt.last, tt.most)
		if len(numbers) != tt.count || reason != tt.reason {
			t.Errorf("parsePartNumbers(%q, %d, %d) = %d numbers, %q, want %d, %q", tt.list, tt.last, tt.most, len(numbers), reason, tt.count, tt.reason)
		}
	}
}

func FuzzParsePartNumbers(f *testing.F) {
	f.Add("1,2,5-900")
	f.Add("9-3,1-1,10000")
	f.Fuzz(func(t *testing.T, list string) {
		numbers, reason := parsePartNumbers(list, 10000, 1000)
		if (reason == "") != (len(numbers) > 0) || len(numbers) > 1000 {
			t.Fatalf("parsePartNumbers(%q) = %d numbers, %q", list, len(numbers), reason)
		}
		seen := make(map[int64]bool)
		for _, n := range numbers {
			if n < 1 || n > 10000 || seen[n] {
				t.Fatalf("parsePartNumbers(%q) names %d out of range or twice", list, n)
			}
			seen[n] = true
		}
	})
}
