package facts

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseProbe reads the answer of ProbeAsk.Script. A line that cannot be read is in Probe.Unread; an answer that was cut
// short is an error.
func ParseProbe(answer []byte) (Probe, error) {
	r := &probeReader{probe: Probe{Places: map[string]Place{}, Resolved: map[string][]string{}, Pings: map[string]RTT{}, Callers: map[string]string{}}}
	unread, err := readAnswer(answer, probeLines, r)
	if err != nil {
		return Probe{}, fmt.Errorf("parse probe: %w", err)
	}
	r.probe.Unread = unread
	r.finish()
	return r.probe, nil
}

type probeReader struct {
	probe  Probe
	writes []time.Duration
	floors []time.Duration
}

// probeLines says how many fields each kind of line has, and what they mean.
var probeLines = map[string]lineKind[*probeReader]{
	"cpus":       {1, func(r *probeReader, f []string) error { return number(&r.probe.CPUs, f[0]) }},
	"swap":       {1, func(r *probeReader, f []string) error { return kilobytes(&r.probe.Swap, f[0]) }},
	"synced":     {1, func(r *probeReader, f []string) error { r.probe.Synced = f[0]; return nil }},
	"service":    {1, func(r *probeReader, f []string) error { r.probe.Services = append(r.probe.Services, f[0]); return nil }},
	"selinux":    {1, func(r *probeReader, f []string) error { r.probe.SELinux = f[0]; return nil }},
	"apparmor":   {1, func(r *probeReader, f []string) error { r.probe.AppArmor = f[0]; return nil }},
	"confined":   {1, func(r *probeReader, f []string) error { r.probe.Confined = append(r.probe.Confined, f[0]); return nil }},
	"unmeasured": {1, func(r *probeReader, f []string) error { r.probe.Fsync.Why = f[0]; return nil }},
	"floor":      {1, func(r *probeReader, f []string) error { return seconds(&r.floors, f[0]) }},
	"fsync":      {1, func(r *probeReader, f []string) error { return seconds(&r.writes, f[0]) }},
	"resolved": {2, func(r *probeReader, f []string) error {
		r.probe.Resolved[f[0]] = append(r.probe.Resolved[f[0]], f[1])
		return nil
	}},
	"unwritable": {2, func(r *probeReader, f []string) error {
		if r.probe.Sealed == nil {
			r.probe.Sealed = map[string]string{}
		}
		words := strings.TrimSpace(f[1])
		r.probe.Sealed[f[0]] = strings.TrimSpace(words[strings.LastIndex(words, ": ")+1:])
		return nil
	}},
	"nofile":   {2, (*probeReader).readOpenFiles},
	"place":    {7, (*probeReader).readPlace},
	"address":  {1, (*probeReader).readAddress},
	"firewall": {4, (*probeReader).readFirewall},
	"ping":     {2, (*probeReader).readPing},
	"doors":    {1, func(*probeReader, []string) error { return nil }}, // see probeAnswer
	"caller":   {2, func(r *probeReader, f []string) error { r.probe.Callers[f[0]] = f[1]; return nil }},
}

// readOpenFiles reads the hard limit of PID 1, which units inherit, and fs.nr_open, above which nobody can raise it.
func (r *probeReader) readOpenFiles(f []string) error {
	least := int64(math.MaxInt64)
	for _, text := range f {
		if text == "unlimited" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		least = min(least, n)
	}
	r.probe.OpenFiles = least
	return nil
}

func (r *probeReader) readPlace(f []string) error {
	place := Place{Dir: f[1], Type: f[2], Mount: f[3], Options: strings.Split(f[4], ",")}
	place.Free = -1
	if f[5] != "" {
		if err := kilobytes(&place.Free, f[5]); err != nil {
			return err
		}
	}
	if _, err := fmt.Sscanf(f[6], "%d %d", &place.Inodes, &place.Unused); err != nil {
		place.Inodes = 0
	}
	r.probe.Places[f[0]] = place
	return nil
}

// readAddress reads a line of ip -o addr: 2: eth0    inet 10.0.0.11/24 brd … scope global eth0\ …
func (r *probeReader) readAddress(f []string) error {
	columns := strings.Fields(f[0])
	if len(columns) < 4 {
		return fmt.Errorf("%d columns, want 4", len(columns))
	}
	if columns[2] != "inet" && columns[2] != "inet6" {
		return nil
	}
	ip, _, _ := strings.Cut(columns[3], "/")
	r.probe.Addresses = append(r.probe.Addresses, HostAddress{IP: ip, Duplicate: slices.Contains(columns, "dadfailed")})
	return nil
}

func (r *probeReader) readFirewall(f []string) error {
	wall := Firewall{Tool: f[0], Drop: f[3] != ""}
	if err := errors.Join(number(&wall.Rules, f[1]), number(&wall.Named, f[2])); err != nil {
		return err
	}
	r.probe.Firewall = append(r.probe.Firewall, wall)
	return nil
}

// readPing reads an address, and the least, mean and greatest time in milliseconds.
func (r *probeReader) readPing(f []string) error {
	times := strings.Fields(f[1])
	if len(times) != 3 {
		return fmt.Errorf("%d times, want 3", len(times))
	}
	var parsed [3]time.Duration
	for i, text := range times {
		ms, err := strconv.ParseFloat(text, 64)
		if err != nil || !plausible(ms/1000) {
			return fmt.Errorf("%q milliseconds", text)
		}
		parsed[i] = time.Duration(ms * float64(time.Millisecond))
	}
	r.probe.Pings[f[0]] = RTT{parsed[0], parsed[1], parsed[2]}
	return nil
}

func seconds(into *[]time.Duration, text string) error {
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !plausible(s) {
		return fmt.Errorf("%q seconds", text)
	}
	*into = append(*into, time.Duration(s*float64(time.Second)))
	return nil
}

// plausible keeps what is no number of seconds out of durations, which would overflow.
func plausible(s float64) bool { return s >= 0 && s < 1e6 }

func (r *probeReader) finish() {
	slices.Sort(r.writes)
	slices.Sort(r.floors)
	l := &r.probe.Fsync
	if n := len(r.writes); n > 0 {
		l.Samples, l.P50, l.P99, l.Max = n, rank(r.writes, 50), rank(r.writes, 99), r.writes[n-1]
	}
	if len(r.floors) > 0 {
		l.Floor = rank(r.floors, 50)
	}
}

// rank is the smallest of the sorted values that at least percent of them do not exceed.
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}
