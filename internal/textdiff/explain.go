package textdiff

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strconv"
	"time"
)

// Kind says what two contents differ in.
type Kind string

// The kinds. All but Content may come from two builds of equal sources.
const (
	Timestamps Kind = "timestamps"       // the time of the newer build is in it
	BuildPaths Kind = "build paths"      // paths of temporary files
	Metadata   Kind = "archive metadata" // times and owners of an archive's members
	Content    Kind = "content"          // anything else
)

// Explain says what a newer content differs in from an older one; the newer was made between began and
// ended. It is an explanation for people: what one file holds on purpose another has by accident.
func Explain(older, newer []byte, began, ended time.Time) Kind {
	if len(older) > MaxBytes || len(newer) > MaxBytes {
		return Content
	}
	for _, blank := range []func([]byte) ([]byte, bool){blankAr, blankTar, blankZip, blankGzip} {
		a, okA := blank(older)
		b, okB := blank(newer)
		if okA && okB && bytes.Equal(a, b) {
			return Metadata
		}
	}
	if onlyTimes(older, newer, began, ended) {
		return Timestamps
	}
	if bytes.Equal(temporary.ReplaceAll(older, nil), temporary.ReplaceAll(newer, nil)) {
		return BuildPaths
	}
	return Content
}

// temporary are the names that programs give to files that they remove again.
var temporary = regexp.MustCompile(`/(?:var/)?tmp/[A-Za-z0-9._+/-]*`)

// times are the forms in which compilers and scripts write the time: that of C's __DATE__ and __TIME__,
// ISO dates, and seconds since 1970.
var times = regexp.MustCompile(`(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3][0-9] [0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}:[0-9]{2}|\b1[0-9]{9}\b`)

// onlyTimes reports whether contents differ only in times, and those of the newer one are of its making.
func onlyTimes(older, newer []byte, began, ended time.Time) bool {
	a, b := times.FindAllIndex(older, -1), times.FindAllIndex(newer, -1)
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	endA, endB := 0, 0
	for i := range a {
		if !bytes.Equal(older[endA:a[i][0]], newer[endB:b[i][0]]) {
			return false
		}
		was, is := older[a[i][0]:a[i][1]], newer[b[i][0]:b[i][1]]
		if !bytes.Equal(was, is) && !within(string(is), began, ended) {
			return false
		}
		endA, endB = a[i][1], b[i][1]
	}
	return bytes.Equal(older[endA:], newer[endB:])
}

// Slack is for what is written before and after the commands run, zones for a date in another time zone.
const (
	slack = 5 * time.Minute
	zones = 14 * time.Hour
)

func within(text string, began, ended time.Time) bool {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		at := time.Unix(seconds, 0)
		return !at.Before(began.Add(-slack)) && !at.After(ended.Add(slack))
	}
	for _, layout := range []string{"Jan _2 2006", time.DateOnly} {
		if day, err := time.Parse(layout, text); err == nil {
			return !day.Add(24*time.Hour).Before(began.Add(-zones)) && !day.After(ended.Add(zones))
		}
	}
	clock, err := time.Parse(time.TimeOnly, text)
	if err != nil {
		return false
	}
	// Zones differ by quarters of an hour.
	const quarter = 15 * time.Minute
	since := (time.Duration(clock.Minute())*time.Minute + time.Duration(clock.Second())*time.Second -
		time.Duration(began.Add(-slack).Unix()%3600)*time.Second) % quarter
	if since < 0 {
		since += quarter
	}
	return since <= ended.Sub(began)+2*slack
}

// blankAr blanks times, owners and modes in an archive of ar's.
func blankAr(data []byte) ([]byte, bool) {
	const magic, header = "!<arch>\n", 60
	if !bytes.HasPrefix(data, []byte(magic)) {
		return nil, false
	}
	out := bytes.Clone(data)
	for at := len(magic); at+header <= len(out); {
		size, err := strconv.Atoi(string(bytes.TrimSpace(out[at+48 : at+58])))
		if err != nil || size < 0 {
			return nil, false
		}
		blank(out[at+16 : at+48])
		at += header + size + size%2
	}
	return out, true
}

// blankTar blanks times, owners and the sums over them in an archive of tar's.
func blankTar(data []byte) ([]byte, bool) {
	const block = 512
	if len(data) < block || string(data[257:262]) != "ustar" {
		return nil, false
	}
	out := bytes.Clone(data)
	for at := 0; at+block <= len(out) && out[at] != 0; {
		size, err := strconv.ParseInt(string(bytes.Trim(out[at+124:at+136], " \x00")), 8, 63)
		if err != nil {
			return nil, false
		}
		blank(out[at+108 : at+124])
		blank(out[at+136 : at+156])
		blank(out[at+265 : at+329])
		at += block + int((size+block-1)/block*block)
	}
	return out, true
}

// blankZip blanks the times in the directory of a zip archive and before its members.
func blankZip(data []byte) ([]byte, bool) {
	if !bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return nil, false
	}
	out := bytes.Clone(data)
	for _, one := range []struct {
		signature string
		time      int
	}{{"PK\x03\x04", 10}, {"PK\x01\x02", 12}} {
		for at := 0; ; {
			next := bytes.Index(out[at:], []byte(one.signature))
			if next < 0 || at+next+one.time+4 > len(out) {
				break
			}
			at += next + one.time
			blank(out[at : at+4])
		}
	}
	return out, true
}

// blankGzip blanks the time in the head of a compressed file.
func blankGzip(data []byte) ([]byte, bool) {
	if len(data) < 10 || binary.BigEndian.Uint16(data) != 0x1f8b {
		return nil, false
	}
	out := bytes.Clone(data)
	blank(out[4:8])
	return out, true
}

func blank(b []byte) {
	for i := range b {
		b[i] = 0
	}
}
