package probe

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts/lines"
)

// parse reads the answer of Ask.Script. A line that cannot be read is in Probe.Unread; an answer that was cut
// short is an error.
func parse(answer []byte) (Probe, error) {
	r := &reader{probe: Probe{
		Places: map[string]Place{}, Resolved: map[string][]string{}, Pings: map[string]time.Duration{},
		Callers: map[string]string{},
	}}
	unread, err := lines.Read(answer, kinds, r)
	if err != nil {
		return Probe{}, fmt.Errorf("parse probe: %w", err)
	}
	r.probe.Unread = unread
	r.finish()
	return r.probe, nil
}

type reader struct {
	probe  Probe
	writes []time.Duration
	floors []time.Duration
}

// kinds says how many fields each kind of line has, and what they mean.
var kinds = map[string]lines.Kind[*reader]{
	"cpus":   lines.Of(1, func(r *reader, f []string) error { return lines.Number(&r.probe.CPUs, f[0]) }),
	"swap":   lines.Of(1, func(r *reader, f []string) error { return lines.Kilobytes(&r.probe.Swap, f[0]) }),
	"synced": lines.Of(1, func(r *reader, f []string) error { r.probe.Synced = f[0]; return nil }),
	"service": lines.Of(1, func(r *reader, f []string) error {
		r.probe.Services = append(r.probe.Services, f[0])
		return nil
	}),
	"selinux":  lines.Of(1, func(r *reader, f []string) error { r.probe.SELinux = f[0]; return nil }),
	"apparmor": lines.Of(1, func(r *reader, f []string) error { r.probe.AppArmor = f[0]; return nil }),
	"confined": lines.Of(1, func(r *reader, f []string) error {
		r.probe.Confined = append(r.probe.Confined, f[0])
		return nil
	}),
	"unmeasured": lines.Of(1, func(r *reader, f []string) error { r.probe.Fsync.Why = f[0]; return nil }),
	"floor":      lines.Of(1, func(r *reader, f []string) error { return seconds(&r.floors, f[0]) }),
	"fsync":      lines.Of(1, func(r *reader, f []string) error { return seconds(&r.writes, f[0]) }),
	"resolved": lines.Of(2, func(r *reader, f []string) error {
		r.probe.Resolved[f[0]] = append(r.probe.Resolved[f[0]], f[1])
		return nil
	}),
	"unwritable": lines.Of(2, func(r *reader, f []string) error {
		if r.probe.Sealed == nil {
			r.probe.Sealed = map[string]string{}
		}
		words := strings.TrimSpace(f[1])
		r.probe.Sealed[f[0]] = strings.TrimSpace(words[strings.LastIndex(words, ": ")+1:])
		return nil
	}),
	"unmounted": lines.Of(1, func(r *reader, f []string) error {
		r.probe.Unmounted = append(r.probe.Unmounted, f[0])
		return nil
	}),
	"nofile":   lines.Of(2, (*reader).readOpenFiles),
	"place":    lines.Of(7, (*reader).readPlace),
	"address":  lines.Of(1, (*reader).readAddress),
	"firewall": lines.Of(4, (*reader).readFirewall),
	"ping":     lines.Of(2, (*reader).readPing),
	"doors":    lines.Of(1, func(*reader, []string) error { return nil }), // see asking.Write
	"caller":   lines.Of(2, func(r *reader, f []string) error { r.probe.Callers[f[0]] = f[1]; return nil }),
}

// readOpenFiles reads the hard limit of PID 1, which units inherit, and fs.nr_open, above which nobody can raise it.
func (r *reader) readOpenFiles(f []string) error {
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

func (r *reader) readPlace(f []string) error {
	place := Place{Dir: f[1], Type: f[2], Mount: f[3], Options: strings.Split(f[4], ",")}
	place.Free = -1
	if f[5] != "" {
		if err := lines.Kilobytes(&place.Free, f[5]); err != nil {
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
func (r *reader) readAddress(f []string) error {
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

func (r *reader) readFirewall(f []string) error {
	wall := Firewall{Tool: f[0], Drop: f[3] != ""}
	if err := errors.Join(lines.Number(&wall.Rules, f[1]), lines.Number(&wall.Named, f[2])); err != nil {
		return err
	}
	r.probe.Firewall = append(r.probe.Firewall, wall)
	return nil
}

// readPing reads an address and a time in milliseconds.
func (r *reader) readPing(f []string) error {
	ms, err := strconv.ParseFloat(f[1], 64)
	if err != nil || !plausible(ms/1000) {
		return fmt.Errorf("%q milliseconds", f[1])
	}
	r.probe.Pings[f[0]] = time.Duration(ms * float64(time.Millisecond))
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

func (r *reader) finish() {
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
