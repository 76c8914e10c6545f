package inventory

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

var durationUnits = map[string]time.Duration{
	"y": year, "w": 7 * day, "d": day, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond,
}

// parseDuration reads "1h30m", "120d" or "10y": whole numbers, each with a
// unit, no unit twice. A year is 365 days. "0" alone needs no unit.
func parseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, errors.New(`it is empty; write one such as "1h30m"`)
	}
	var total time.Duration
	used := map[string]bool{}
	for rest := s; rest != ""; {
		digits, unit, tail := cutQuantity(rest)
		scale, known := durationUnits[unit]
		switch {
		case digits == "":
			return 0, fmt.Errorf("%q is not a duration; write whole numbers with units, such as \"1h30m\", \"120d\" or \"10y\"",
				s)
		case unit == "":
			return 0, fmt.Errorf("%q lacks a unit: ms, s, m (minutes), h, d, w or y", s)
		case !known:
			return 0, fmt.Errorf("%q is not a unit of time; the units are ms, s, m (minutes), h, d, w and y", unit)
		case used[unit]:
			return 0, fmt.Errorf("%q uses the unit %s twice", s, unit)
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > (math.MaxInt64-int64(total))/int64(scale) {
			return 0, fmt.Errorf("%q is longer than 292 years", s)
		}
		total += time.Duration(n) * scale
		used[unit] = true
		rest = tail
	}
	return total, nil
}

var sizeUnits = map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// parseSize reads "8GiB" or a plain number of bytes.
func parseSize(s string) (int64, error) {
	digits, unit, tail := cutQuantity(s)
	if digits == "" || tail != "" {
		return 0, fmt.Errorf("%q is not a size; write a number of bytes, or one with KiB, MiB, GiB or TiB", s)
	}
	scale, known := sizeUnits[unit]
	if !known {
		return 0, fmt.Errorf("%q is not a unit of size: %s", unit, sizeUnitHint(digits, unit))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/scale {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n * scale, nil
}

// sizeUnitHint treats GB, G and gib as the GiB that was likely meant.
func sizeUnitHint(digits, unit string) string {
	letter := strings.ToUpper(unit[:1])
	if strings.Contains("KMGT", letter) {
		return fmt.Sprintf("write %q (1024 based) or the plain number of bytes", digits+letter+"iB")
	}
	return "the units are KiB, MiB, GiB and TiB"
}

// cutQuantity splits "30m5s" into "30", "m" and "5s".
func cutQuantity(s string) (digits, unit, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	j := i
	for j < len(s) && (s[j] >= 'a' && s[j] <= 'z' || s[j] >= 'A' && s[j] <= 'Z') {
		j++
	}
	if j == i && j < len(s) {
		return "", "", s // a sign, a space, a decimal point
	}
	return s[:i], s[i:j], s[j:]
}

// durationText writes d in the units that parseDuration reads.
func durationText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	var b strings.Builder
	for _, unit := range []string{"y", "d", "h", "m", "s", "ms"} {
		if n := d / durationUnits[unit]; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit)
			d %= durationUnits[unit]
		}
	}
	return b.String()
}
