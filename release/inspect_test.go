package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	dir := amd64.dir() + "/"
	with := func(e entry) []entry { return append(official(amd64, 10), e) }
	replace := func(file string, data []byte) []entry {
		es := official(amd64, 10)
		i := slices.IndexFunc(es, func(e entry) bool { return e.name == dir+file })
		es[i].data = data
		return es
	}
	tests := []struct {
		name    string
		entries []entry
		want    string // in the error; empty: accepted
	}{
		{"official", official(amd64, 10), ""},
		{"with documentation", with(entry{name: dir + "Documentation/op-guide/a.md"}), ""},
		{"with a program elsewhere", with(entry{name: dir + "old/etcd", data: []byte("x")}), ""},
		{"symbolic link", with(entry{name: dir + "x", kind: tar.TypeSymlink, link: "/etc/passwd"}), dir + "x"},
		{"hard link", with(entry{name: dir + "x", kind: tar.TypeLink, link: dir + "etcd"}), dir + "x"},
		{"device", with(entry{name: dir + "x", kind: tar.TypeChar}), dir + "x"},
		{"pipe", with(entry{name: dir + "x", kind: tar.TypeFifo}), dir + "x"},
		{"absolute path", with(entry{name: "/" + dir + "x"}), dir + "x"},
		{"parent", with(entry{name: "../x"}), "../x"},
		{"parent inside", with(entry{name: dir + "../x"}), dir + "../x"},
		{"unclean path", with(entry{name: "././" + dir + "x"}), "././" + dir + "x"},
		{"packed as .", append([]entry{{name: "./", kind: tar.TypeDir}}, dotted(official(amd64, 10))...), ""},
		{"one packed as .", append(official(amd64, 10)[:4], dotted(official(amd64, 10))[4:]...), "as the programs before it"},
		{"twice, once with ./", append(official(amd64, 10), dotted(official(amd64, 10))[2:]...), "twice"},
		{
			"another version inside", replace("etcdctl", built("v3.6.15\th1:x=\n")),
			"etcdctl\": it was built from etcd 3.6.15, wanted 3.6.16",
		},
		{
			"another version inside, as etcd's own build says it", replace("etcd", built("v3.6.15\n=>\t../api\t(devel)\n")),
			"3.6.15",
		},
		{"its version inside", replace("etcd", built("v3.6.16\n=>\t../api\t(devel)\n")), ""},
		{"a version that is no release's", replace("etcd", built("v3.6.17-0.20260101120000-0123456789ab\t\n")), ""},
		{"elsewhere", with(entry{name: "x"}), `"x"`},
		{"a folder with the same beginning", with(entry{name: amd64.dir() + "-x/etcd"}), amd64.dir() + "-x/etcd"},
		{"twice", with(entry{name: dir + "etcd", data: program("amd64", 10, 9)}), "twice"},
		{
			"a folder for a program", append(official(amd64, 10)[:2], entry{name: dir + "etcd/", kind: tar.TypeDir}),
			"not a regular file",
		},
		{"long name", with(entry{name: dir + strings.Repeat("x", 2000)}), "too long"},
		{"no etcdutl", official(amd64, 10)[:4], "no " + dir + "etcdutl"},
		{"empty", nil, "no " + dir + "etcd"},
		{"another version", official(name{"3.6.15", "amd64"}, 10), "not in " + dir},
		{
			"another architecture inside", replace("etcd", program("arm64", 10, 0)),
			"a program for arm64, wanted one for amd64",
		},
		{"another byte order", replace("etcdctl", program("s390x", 10, 0)), "a program for s390x, wanted one for amd64"},
		{"a script", replace("etcd", []byte("#!/bin/sh\necho this is not an ELF file\n")), "not a Linux program"},
		{"nothing in it", replace("etcdutl", nil), "not a Linux program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, folder, err := inspect(bytes.NewReader(pack(t, tt.entries)), amd64, defaultLimits)
			if tt.want == "" {
				if first, _, _ := strings.Cut(tt.entries[0].name, "etcd"); err != nil || len(found) != len(programs) ||
					folder != first+amd64.dir() {
					t.Errorf("found %v in %q, %v", found, folder, err)
				}
				return
			}
			if err == nil || !strings.Contains(archiveError("a.tar.gz", err).Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// dotted are entries as tar -C DIR . packs them.
func dotted(es []entry) []entry {
	for i := range es {
		es[i].name = "./" + es[i].name
	}
	return es
}

// built is a program with what Go writes into it of etcd's module api/v3.
func built(version string) []byte {
	return append(program("amd64", 100_000, 0), "\ndep\tgo.etcd.io/etcd/api/v3\t"+version...)
}

// TestVersionFinder cuts the text everywhere.
func TestVersionFinder(t *testing.T) {
	text := built("v3.6.15\th1:x=\n")
	for _, size := range []int{1, 7, 4096} {
		for from := len(text) - 80; from <= len(text); from++ {
			found := &versionFinder{}
			_, _ = found.Write(text[:from])
			for part := range slices.Chunk(text[from:], size) {
				_, _ = found.Write(part)
			}
			if found.found != "3.6.15" {
				t.Fatalf("cut at %d, then every %d bytes: %q", from, size, found.found)
			}
		}
	}
}

func TestInspectLimits(t *testing.T) {
	data := pack(t, append(official(amd64, 1000), entry{name: amd64.dir() + "/zeros", data: make([]byte, 1<<20)}))
	for _, tt := range []struct {
		name   string
		change func(*limits)
		want   string
	}{
		{"none", func(*limits) {}, ""},
		{"program", func(l *limits) { l.binary = 1000 }, "allowed"},
		{"total", func(l *limits) { l.total = 1 << 19 }, errTooBig.Error()},
		{"entries", func(l *limits) { l.entries = 3 }, "more than 3 entries"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lim := defaultLimits
			tt.change(&lim)
			_, _, err := inspect(bytes.NewReader(data), amd64, lim)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestInspectBomb: what follows the end of the tar counts too.
func TestInspectBomb(t *testing.T) {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write(make([]byte, 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	lim := defaultLimits
	lim.total = 1 << 20
	data := append(pack(t, official(amd64, 10)), b.Bytes()...)
	if _, _, err := inspect(bytes.NewReader(data), amd64, lim); !errors.Is(err, errTooBig) {
		t.Errorf("error %v", err)
	}
}

// TestInspectCutShort cuts a release everywhere.
func TestInspectCutShort(t *testing.T) {
	data := pack(t, official(amd64, 10))
	for n := range data {
		if _, _, err := inspect(bytes.NewReader(data[:n]), amd64, defaultLimits); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut to %d of %d bytes: error %v", n, len(data), err)
		}
	}
}

func TestInspectDamaged(t *testing.T) {
	data := pack(t, official(amd64, 10))
	data[len(data)-5] ^= 1 // in gzip's own checksum
	if _, _, err := inspect(bytes.NewReader(data), amd64, defaultLimits); !errors.Is(err, gzip.ErrChecksum) {
		t.Errorf("error %v", err)
	}
	if _, _, err := inspect(strings.NewReader("<html>sign in</html>"), amd64, defaultLimits); !errors.Is(err,
		gzip.ErrHeader) {
		t.Errorf("error %v", err)
	}
}

func TestArchitectures(t *testing.T) {
	for arch := range machines {
		n := name{"3.6.16", arch}
		if _, _, err := inspect(bytes.NewReader(pack(t, official(n, 10))), n, defaultLimits); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
	}
}

func TestByteOrder(t *testing.T) {
	head := program("ppc64le", 0, 0)
	head[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	head[18], head[19] = head[19], head[18] // ppc64, which etcd has no releases for
	if err := checkMachine(head, "ppc64le"); err == nil || !strings.Contains(err.Error(), "EM_PPC64") {
		t.Errorf("error %v", err)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(pack(f, official(amd64, 10)))
	f.Add(pack(f, append(official(amd64, 0), entry{name: "../x", kind: tar.TypeSymlink, link: "y"})))
	lim := limits{binary: 1 << 16, total: 1 << 18, entries: 50, name: 100}
	f.Fuzz(func(t *testing.T, data []byte) {
		// The fuzzer does not find gzip's checksum by itself, so it is given the tar as well.
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		_, _ = zw.Write(data)
		_ = zw.Close()
		for _, in := range [][]byte{data, b.Bytes()} {
			found, _, err := inspect(bytes.NewReader(in), amd64, lim)
			if err == nil && len(found) != len(programs) {
				t.Errorf("accepted with %v", found)
			}
		}
	})
}
