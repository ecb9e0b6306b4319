package storage

import (
	"encoding/xml"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// pageText is a page of parts, as OSS writes it, of which the caller says how a
// quote is written.
func pageText(from, n int, quote string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListPartsResult>\n  <EncodingType>url</EncodingType>\n  <Bucket>examplebucket</Bucket>\n"+
		"  <Key>uploads%%2Falice%%2Fa.bin</Key>\n  <UploadId>0004B9895DBBB6EC98E36F7F0A1A0001</UploadId>\n  <StorageClass>Standard</StorageClass>\n"+
		"  <PartNumberMarker>%d</PartNumberMarker>\n  <NextPartNumberMarker>%d</NextPartNumberMarker>\n  <MaxParts>1000</MaxParts>\n  <IsTruncated>true</IsTruncated>\n", from-1, from+n-1)
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "  <Part>\n    <PartNumber>%d</PartNumber>\n    <LastModified>2026-11-20T10:00:00.000Z</LastModified>\n    <ETag>%s%032X%s</ETag>\n"+
			"    <HashCrc64ecma>%d</HashCrc64ecma>\n    <Size>5242880</Size>\n  </Part>\n", i, quote, i, quote, uint64(i)*0x9E3779B97F4A7C15)
	}
	return b.String() + "</ListPartsResult>"
}

// As in the sample of the API reference.
const namespaced = `<ListPartsResult xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com">`

// What OSS writes must not take the long way.
func TestScannerReadsUsualPages(t *testing.T) {
	flat := strings.ReplaceAll(strings.ReplaceAll(pageText(1, 3, `"`), "\n", ""), "  ", "")
	for name, text := range map[string]string{
		"indented":              pageText(1001, 1000, `"`),
		"on one line":           flat,
		"with escaped quotes":   pageText(1, 3, "&quot;"),
		"with numbered quotes":  pageText(1, 3, "&#34;"),
		"without a declaration": flat[strings.Index(flat, "<ListParts"):],
		"without quotes":        pageText(1, 3, ""),
		"with the namespace":    strings.Replace(flat, "<ListPartsResult>", namespaced, 1),
		"without parts":         "<ListPartsResult><Bucket></Bucket><IsTruncated>false</IsTruncated></ListPartsResult>",
	} {
		t.Run(name, func(t *testing.T) {
			var got, want partsPage
			if err := xml.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			want.XMLName = xml.Name{} // which is there to refuse others
			if s := (pageScanner{rest: []byte(text)}); !s.page(&got) || !reflect.DeepEqual(got, want) {
				t.Errorf("page = %+v, want %+v", got, want)
			}
		})
	}
}

// Whatever the scanner accepts means the same to encoding/xml; whatever it refuses
// is read by that.
func FuzzPartsPage(f *testing.F) {
	part := func(inside string) string { return "<ListPartsResult><Part>" + inside + "</Part></ListPartsResult>" }
	for _, text := range []string{
		pageText(1, 2, `"`), pageText(9, 1, "&quot;"), pageText(9, 1, "&#34;"),
		part("<Size>1</Size><Size>2</Size>"), part("<ETag>a\n</ETag>"), part("<ETag>a\rb</ETag>"), part("<ETag>a\x01</ETag>"), part("<ETag>\xff</ETag>"), part("<ETag> a </ETag>"), part("<ETag>a]]>b</ETag>"),
		part("<Size> 1</Size>"), part("<Size>+1</Size>"), part("<Size>-1</Size>"), part("<Size></Size>"), part("<Size>9223372036854775808</Size>"),
		part("<PartNumber>1</Size>"), part("<ETag>&amp;#34;</ETag>"), part("<ETag>&amp;quot;&lt;</ETag>"), part("<ETag>a<b>c</b></ETag>"), part("<ETag/>"),
		part("<!-- --><Owner><ID>1</ID></Owner>"), part("<ETag><![CDATA[a]]></ETag>"), part("<ETag a='b'>c</ETag>"), part("<x:Size>1</x:Size>"),
		part("<Größe>1</Größe>"), part("<Part><Size>1</Size></Part>"), part("text<Size>1</Size>"), part("</Part><Part>"), part("<1>a</1>"), part("<>a</>"),
		"<ListPartsResult><IsTruncated>1</IsTruncated></ListPartsResult>", "<ListPartsResult><IsTruncated>true</ListPartsResult></IsTruncated>",
		"<ListPartsResult>", "</ListPartsResult>", "<ListPartsResult></ListPartsResult", "<html></html>", "", part("") + "more", "\n" + pageText(1, 1, `"`), "<ListPartsResult xmlns='a'></ListPartsResult>",
		namespaced + "</ListPartsResult>", namespaced + "<Part><Size>1</Size></Part></ListPartsResult>", strings.Replace(namespaced, "doc", "&quot;", 1) + "</ListPartsResult>",
		strings.Replace(pageText(1, 1, `"`), "UTF-8", "GBK", 1), "\xef\xbb\xbf" + part(""),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want partsPage
		wantErr := xml.Unmarshal(text, &want)
		want.XMLName = xml.Name{}
		var scanned partsPage
		if s := (pageScanner{rest: text}); s.page(&scanned) && (wantErr != nil || !reflect.DeepEqual(scanned, want)) {
			t.Errorf("scanned %+v, want %+v, %v", scanned, want, wantErr)
		}
		before, stale := Part{Number: 1, ETag: "A"}, Part{Number: 2, Size: 2, ETag: "B", CRC64: "2"}
		got := partsPage{Next: 7, Truncated: true, Parts: []Part{before, stale, stale}[:1]}
		if err := got.read(text); (err != nil) != (wantErr != nil) || err == nil && (got.Next != want.Next || got.Truncated != want.Truncated ||
			got.Parts[0] != before || len(got.Parts) != 1+len(want.Parts) || len(want.Parts) > 0 && !reflect.DeepEqual(got.Parts[1:], want.Parts)) {
			t.Errorf("read = %+v, %v, want %+v, %v behind a part", got, err, want, wantErr)
		}
	})
}

func BenchmarkPartsPages(b *testing.B) {
	pages := make([][]byte, 10)
	for i := range pages {
		pages[i] = []byte(pageText(i*1000+1, 1000, `"`))
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var page partsPage
			for _, text := range pages {
				if err := page.read(text); err != nil || !page.Truncated {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("encoding/xml", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, text := range pages {
				var page partsPage
				if err := xml.Unmarshal(text, &page); err != nil || len(page.Parts) != 1000 {
					b.Fatal(err)
				}
			}
		}
	})
}
