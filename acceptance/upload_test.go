package acceptance

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// uploads go wrong on their way to etcd-3, whose /opt is a small disk of its own, and on that disk.
func uploads(t *testing.T, s *site, file string, inv inventory) {
	for _, test := range []struct {
		name string
		end  func(t *testing.T)
	}{
		{"no room for the archive", func(t *testing.T) {
			s.fill(t, 8<<20)
			s.run(t, "apply", "--yes", file).exits(t, 14).
				says(t, `etcd-3: put /opt/clusterup/etcd/`, ".tar.gz: no space left on /opt: 22 MiB needed, ", " free", "→ make room on /opt, then run again")
		}},
		{"no room for what is in it", func(t *testing.T) {
			s.fill(t, 48<<20)
			s.run(t, "apply", "--yes", file).exits(t, 14).says(t, "install-release/etcd-3: etcd-3: ", "no room to unpack the release on /opt: ",
				"Cause: the file system /opt has no room for the release", "→ make room on /opt, then run again")
		}},
		{"full amid the upload", func(t *testing.T) {
			p := s.amidUpload(t, file)
			s.fill(t, 0)
			s.fast(t)
			p.wait(t).exits(t, 14).says(t, `etcd-3: put /opt/clusterup/etcd/`, ".tar.gz: no space left on /opt: ", "→ make room on /opt, then run again")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.on(t, "etcd-3", faults["etcdctl altered"].harm)
			test.end(t)
			if left := s.on(t, "etcd-3", "ls /opt/clusterup/etcd | grep -v -x -e '[0-9.]*-[0-9a-f]\\{8\\}' -e '.*\\.part' -e '.*\\.tar\\.gz'; true"); left != "" {
				t.Errorf("left on etcd-3: %s", left)
			}
			s.on(t, "etcd-3", "rm /opt/ballast*")
			s.ok(t, "apply", "--yes", file)
			s.tidy(t)
		})
	}
	t.Run("cut amid the upload", func(t *testing.T) {
		s.on(t, "etcd-3", faults["etcdctl altered"].harm)
		p := s.amidUpload(t, file)
		s.on(t, "etcd-3", `ss -Htnp state established 'sport = :22' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u | xargs kill -KILL`)
		s.fast(t)
		p.wait(t).exits(t, 12).says(t, "etcd-3: ", "run the same command again") // although it answers again at once
		again := s.ok(t, "apply", "--yes", "--json", file)
		archive, _ := published(t)
		if sent := uploaded(t, again.stdout, "install-release/etcd-3"); sent <= 0 || sent > int64(len(archive))-1 {
			t.Errorf("%d bytes were to be sent after a cut, of %d", sent, len(archive))
		}
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
	s.on(t, "etcd-3", "fallocate -l "+strconv.FormatInt(free-16<<20, 10)+" /opt/ballast; dd if=/dev/zero of=/opt/ballast2 bs=1M 2>/dev/null; true")
}

// amidUpload starts an apply and returns when a good part of the archive has come to etcd-3, and more is on its slow way.
func (s *site) amidUpload(t *testing.T, file string) *process {
	t.Helper()
	const bits, part = 24 << 20, 6 << 20 // an upload goes on from whole blocks of 4 MiB
	if err := s.lab.SlowLink(t.Context(), "etcd-3", bits); err != nil {
		t.Fatal(err)
	}
	p := s.start(t, "apply", "--yes", file)
	until(t, "a part of the archive to be on etcd-3", func() bool {
		select {
		case <-p.ended:
			t.Fatal("the upload was over before it was disturbed")
		default:
		}
		size, _ := strconv.Atoi(s.on(t, "etcd-3", "stat -c %s /opt/clusterup/etcd/*.part 2>/dev/null || true"))
		return size > part
	})
	return p
}

// fast takes the limit of amidUpload away.
func (s *site) fast(t *testing.T) {
	t.Helper()
	if err := s.lab.SlowLink(t.Context(), "etcd-3", 0); err != nil {
		t.Fatal(err)
	}
}

// tidy checks that of all uploads to etcd-3 nothing is left but what they were for.
func (s *site) tidy(t *testing.T) {
	t.Helper()
	if left := s.on(t, "etcd-3", "ls -A /opt/clusterup/etcd"); strings.Count(left, "\n") > 0 || !strings.HasPrefix(left, release+"-") {
		t.Errorf("on etcd-3 there is %q", left)
	}
}

// uploaded is how many bytes a step had to send, by the events of a run.
func uploaded(t *testing.T, events, step string) int64 {
	t.Helper()
	total := int64(-1)
	for line := range strings.Lines(events) {
		var event struct {
			Type, Step string
			Total      int64
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if event.Type == "step-progress" && event.Step == step {
			total = event.Total
		}
	}
	return total
}
