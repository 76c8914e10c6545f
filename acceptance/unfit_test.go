package acceptance

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A restart of sshd is over when it listens, a reload is not; sessions outlive both.
const (
	forbidForwarding = "echo AllowTcpForwarding no >/etc/ssh/sshd_config.d/04-tunnel.conf; systemctl reset-failed ssh; systemctl restart ssh"
	allowForwarding  = "rm /etc/ssh/sshd_config.d/04-tunnel.conf; systemctl reset-failed ssh; systemctl restart ssh"
)

const kernelArch = "/proc/sys/kernel/arch"

// unfitHosts are what a host cannot be a member with.
var unfitHosts = map[string]struct {
	make, undo string // scripts on etcd-2
	says       []string
}{
	"wrong architecture": {
		// Since Linux 6.1 a file tells it, and no program is asked.
		fake("uname", "echo mips64") + "; echo mips64 >/run/arch; [ ! -e " + kernelArch + " ] || mount --bind /run/arch " +
			kernelArch,
		"rm /usr/local/bin/uname; [ ! -e " + kernelArch + " ] || umount " + kernelArch + "; rm /run/arch",
		[]string{
			"etcd-2: …etcd " + release + "…mips64…[unsuitable]", "→ …amd64",
		},
	},
	"no systemd": {
		"mv /run/systemd/system /run/systemd/away", "mv /run/systemd/away /run/systemd/system",
		[]string{"etcd-2: …systemd…[unsuitable]", "→ …systemd"},
	},
	"clock a day ahead": {
		clockOff("1 day"), clockRight,
		[]string{"etcd-2: …clock is 2…ahead…[clock-off]", "→ …clock"},
	},
	"clock a day behind": {
		clockOff("1 day ago"), clockRight,
		[]string{"etcd-2: …clock is 2…behind…[clock-off]", "→ …clock"},
	},
	"no room for a release": {
		"mount -t tmpfs -o size=64m tmpfs /opt", "umount /opt",
		[]string{"etcd-2: 64 MiB…/opt…[preflight]", "→ …100 MiB"},
	},
	"forwards nothing": {
		forbidForwarding, allowForwarding,
		[]string{"etcd-2: …sshd…[preflight]", "→ …AllowTcpForwarding"},
	},
}

// fake puts a program in front of the host's own.
func fake(name, body string) string {
	return fmt.Sprintf("printf '#!/bin/sh\\n%%s\\n' '%s' >/usr/local/bin/%s; chmod 0755 /usr/local/bin/%[2]s", body, name)
}

// clockOff makes looks take the host's clock for off, since all hosts of a lab have one clock. They take it from what
// stat says of its own process. clockRight ends that.
func clockOff(by string) string {
	return fake("stat", `/usr/bin/stat "$@" | sed "s|[0-9]*[.][0-9]*\t/proc/self/[.]$|$(/usr/bin/date -d "`+by+
		`" +%s.5)\t/proc/self/.|"`)
}

const clockRight = "rm /usr/local/bin/stat"

// unfit proves that a host on which no member can run is refused before anything is written anywhere.
func unfit(t *testing.T, s *site, inv inventory, file string) {
	for name, unfit := range unfitHosts {
		t.Run(name, func(t *testing.T) {
			s.on(t, "etcd-2", unfit.make)
			result := s.run(t, "apply", "--yes", file)
			s.on(t, "etcd-2", unfit.undo)
			result.exits(t, 13).says(t, unfit.says...).saysNot(t, "── prepare", "etcd-3:")
			s.bare(t)
		})
	}
	t.Run("wrong user", func(t *testing.T) {
		wrong := inv
		wrong.User = "stranger"
		s.run(t, "apply", "--yes", s.write(t, "wrong.hcl", wrong)).exits(t, 12).
			says(t, "etcd-1: …user stranger…"+s.lab.KeyFile(),
				"→ …ssh -p 22 stranger@"+inv.Members[0].Address, "~stranger/.ssh/authorized_keys")
		s.bare(t)
	})
	t.Run("mended", func(t *testing.T) { s.run(t, "plan", "--exit-code", file).exits(t, 3) })
}

// mirrorOf makes a mirror of one archive, with a SHA256SUMS that need not be its own, and returns its folder and the
// archive's digest.
func mirrorOf(t *testing.T, archive []byte, sums string) (dir, digest string) {
	t.Helper()
	dir, digest = t.TempDir(), fmt.Sprintf("%x", sha256.Sum256(archive))
	if sums == "" {
		sums = digest
	}
	folder := filepath.Join(dir, "v"+release)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		archiveName:  archive,
		"SHA256SUMS": []byte(sums + "  " + archiveName + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, digest
}

const archiveName = "etcd-v" + release + "-linux-amd64.tar.gz"

// published is the archive of the mirror that all scenarios use, and its digest.
func published(t *testing.T) (archive []byte, digest string) {
	t.Helper()
	dir, err := mirror()
	if err != nil {
		t.Fatal(err)
	}
	archive = []byte(read(t, filepath.Join(dir, "v"+release, archiveName)))
	return archive, fmt.Sprintf("%x", sha256.Sum256(archive))
}

// afresh is run without anything in the download cache.
func (s *site) afresh(t *testing.T, args ...string) result {
	t.Helper()
	return s.launch(t, append([]string{"env", "XDG_CACHE_HOME=" + t.TempDir(), clusterup}, args...)...).wait(t)
}

// wrongArchive proves that what is not the published archive gets nowhere near a host.
func wrongArchive(t *testing.T, s *site, inv inventory) {
	good, digest := published(t)
	altered, half := bytes.Clone(good), good[:len(good)/2]
	altered[len(altered)/2] ^= 1
	for name, test := range map[string]struct {
		archive []byte
		sums    string // "": the archive's own
		says    []string
	}{
		"altered": {
			altered, digest,
			[]string{"verify ", "SHA256SUMS…" + digest, "another mirror"},
		},
		"cut short": {
			half, digest,
			[]string{"verify ", "SHA256SUMS…" + digest, "another mirror"},
		},
		"cut short before it came": {
			half, "",
			[]string{"read ", "cut short"},
		},
		"digest of something else": {
			good, fmt.Sprintf("%064x", 1),
			[]string{digest, fmt.Sprintf("SHA256SUMS…%064x", 1)},
		},
		"a page instead of archive": {[]byte("<html>log in first</html>\n"), "", []string{"HTML page"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			inv.Mirror, got = mirrorOf(t, test.archive, test.sums)
			result := s.afresh(t, "apply", "--yes", s.write(t, "mirror.hcl", inv)).exits(t, 1).says(t,
				append(test.says, inv.Mirror+"/v"+release+"/"+archiveName)...)
			if test.sums != "" {
				result.says(t, got)
			}
			s.bare(t)
		})
	}
}

// otherThanPinned is a mirror that has another archive than the one that the cluster was made with, and a SHA256SUMS to
// go with it.
func otherThanPinned(t *testing.T, s *site, file string, inv inventory) {
	good, digest := published(t)
	s.on(t, "etcd-3", faults["etcdctl altered"].harm)
	other := inv
	var got string
	other.Mirror, got = mirrorOf(t, append(bytes.Clone(good), 0), "")
	before := s.pids(t, inv.Cluster)
	s.afresh(t, "apply", "--yes", s.write(t, "other.hcl", other.withRoot())).exits(t, 1).
		says(t, got, "release.lock.hcl…"+digest, "remove…release.lock.hcl")
	if after := s.pids(t, inv.Cluster); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}
