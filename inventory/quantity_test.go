package inventory

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "100ms": 100 * time.Millisecond, "1h30m": 90 * time.Minute, "30m1h": 90 * time.Minute,
		"10y": 3650 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "120d": 120 * 24 * time.Hour, "292y": 292 * year,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "empty", "10": "lacks a unit", "-1h": "not a duration", "1.5h": "not a duration", "1 h": "not a duration",
		"h":      "not a duration",
		"1month": "not a unit", "1H": "not a unit", "1h1h": "twice", "293y": "292 years",
		"99999999999999999999s": "292 years",
		"1h ":                   "not a duration", "١s": "not a duration", "1µs": "not a duration",
	} {
		if got, err := parseDuration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "2147483648": 2 << 30, "7B": 7, "4KiB": 4096, "512MiB": 512 << 20, "8GiB": 8 << 30, "1TiB": 1 << 40,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "not a size", "GiB": "not a size", "-1": "not a size", "1.5GiB": "not a size", "8 GiB": "not a size",
		"1GiB2MiB": "not a size",
		"8GB":      `"8GiB"`, "8G": `"8GiB"`, "8gib": `"8GiB"`, "8k": `"8KiB"`, "8x": "the units are",
		"9223372036854775808": "too large", "8388608TiB": "too large",
	} {
		if got, err := parseSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestDurationTextIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, math.MaxInt64/1_000_000).Draw(t, "ms")) * time.Millisecond
		if got, err := parseDuration(durationText(d)); err != nil || got != d {
			t.Fatalf("%v is written %q and read %v, %v", d, durationText(d), got, err)
		}
	})
}
