package acceptance

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// feeds go wrong: releases on their way to etcd-3, whose /opt is a small disk of its own, and on that disk.
func feeds(t *testing.T, s *site, file string, inv inventory) {
	for _, test := range []struct {
		name string
		end  func(t *testing.T)
	}{
		{"no room", func(t *testing.T) {
			s.fill(t, 48<<20)
			p := s.start(t, "apply", "--yes", "--json", file)
			p.wait(t).exits(t, 14).says(t, "install-release/etcd-3: etcd-3: ", "no room…/opt", "make room on /opt")
			if sent := fed(t, p.stdout.String(), "install-release/etcd-3"); sent > 4<<20 {
				t.Errorf("%d bytes were sent to a host that has no room for them", sent)
			}
		}},
		{"full amid it", func(t *testing.T) {
			p := s.amidFeed(t, file)
			s.fill(t, 0)
			s.fast(t)
			p.wait(t).exits(t, 14).says(t, "install-release/etcd-3: etcd-3: ", "No space left on device")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.on(t, "etcd-3", faults["etcdctl altered"].harm)
			test.end(t)
			s.tidy(t)
			s.on(t, "etcd-3", "rm /opt/ballast*")
			s.ok(t, "apply", "--yes", file)
			s.tidy(t)
		})
	}
	t.Run("cut amid it", func(t *testing.T) {
		s.on(t, "etcd-3", faults["etcdctl altered"].harm)
		p := s.amidFeed(t, file)
		s.on(t, "etcd-3",
			`ss -Htnp state established 'sport = :22' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u | xargs kill -KILL`)
		s.fast(t)
		p.wait(t).exits(t, 12).says(t, "etcd-3: ", runAgain) // although it answers again at once
		s.ok(t, "apply", "--yes", file)
		s.inSync(t, file, inv)
		s.tidy(t)
	})
}

// fill leaves so many bytes free on /opt of etcd-3.
func (s *site) fill(t *testing.T, leave int64) {
	t.Helper()
	free, err := strconv.ParseInt(s.on(t, "etcd-3", "df --output=avail -B1 /opt | tail -n 1"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if leave > 0 {
		s.on(t, "etcd-3", "fallocate -l "+strconv.FormatInt(free-leave, 10)+" /opt/ballast")
		return
	}
	s.on(t, "etcd-3", "fallocate -l "+strconv.FormatInt(free-16<<20, 10)+
		" /opt/ballast; dd if=/dev/zero of=/opt/ballast2 bs=1M 2>/dev/null; true")
}

// amidFeed starts an apply and returns when a good part of the archive is unpacked on etcd-3, and more is on its slow
// way.
func (s *site) amidFeed(t *testing.T, file string) *process {
	t.Helper()
	const bits = 24 << 20
	if err := s.lab.SlowLink(t.Context(), "etcd-3", bits); err != nil {
		t.Fatal(err)
	}
	p := s.start(t, "apply", "--yes", file)
	until(t, "a part of the release to be on etcd-3", func() bool {
		select {
		case <-p.ended:
			t.Fatal("the archive was sent before that was disturbed")
		default:
		}
		return s.on(t, "etcd-3", "find /opt/clusterup/etcd/*.unpack -size +6M 2>/dev/null || true") != ""
	})
	return p
}

// fast takes the limit of amidFeed away.
func (s *site) fast(t *testing.T) {
	t.Helper()
	if err := s.lab.SlowLink(t.Context(), "etcd-3", 0); err != nil {
		t.Fatal(err)
	}
}

// tidy checks that nothing is left of all that was sent to etcd-3 but the release.
func (s *site) tidy(t *testing.T) {
	t.Helper()
	if left := s.on(t, "etcd-3", "ls -A /opt/clusterup/etcd"); strings.Count(left, "\n") > 0 ||
		!strings.HasPrefix(left, release+"-") {
		t.Errorf("on etcd-3 there is %q", left)
	}
}

// fed is how many bytes a step has sent, by the events of a run.
func fed(t *testing.T, events, step string) int64 {
	t.Helper()
	done := int64(0)
	for line := range strings.Lines(events) {
		var event struct {
			Type, Step string
			Done       int64
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if event.Type == "step-progress" && event.Step == step {
			done = event.Done
		}
	}
	return done
}
