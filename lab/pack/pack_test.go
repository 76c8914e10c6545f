package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeBuild leaves three small programs and counts how often it was asked.
func fakeBuild(calls *int) func(context.Context, rel, string) error {
	return func(_ context.Context, r rel, dir string) error {
		*calls++
		for _, p := range programs {
			if err := os.WriteFile(filepath.Join(dir, p.name), []byte(p.name+" "+r.version), 0o700); err != nil {
				return err
			}
		}
		return nil
	}
}

func pack(t *testing.T, p packer, r rel) (path string, made bool) {
	t.Helper()
	path, made, err := p.pack(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return path, made
}

func TestPackOnce(t *testing.T) {
	var calls int
	p := packer{out: t.TempDir(), build: fakeBuild(&calls)}
	amd, arm := rel{"3.6.16", "amd64"}, rel{"3.6.16", "arm64"}

	first, made := pack(t, p, amd)
	if !made {
		t.Error("the first run made nothing")
	}
	if _, made = pack(t, p, amd); made || calls != 1 {
		t.Errorf("the second run built again (%d builds)", calls)
	}
	second, _ := pack(t, p, arm)

	sums, err := readSums(filepath.Join(p.out, "v3.6.16", sumsName))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, path := range []string{first, second} {
		if want[filepath.Base(path)], err = fileDigest(path); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Errorf("SHA256SUMS (-want +got):\n%s", diff)
	}

	if err := os.Truncate(first, 10); err != nil {
		t.Fatal(err)
	}
	if _, made = pack(t, p, amd); !made {
		t.Error("a damaged archive was kept")
	}
	if got, err := fileDigest(first); err != nil || got != want[filepath.Base(first)] {
		t.Errorf("packed again: digest %s, %v; want %s", got, err, want[filepath.Base(first)])
	}
}

func TestPackFailedBuildLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	p := packer{out: t.TempDir(), build: func(context.Context, rel, string) error { return boom }}
	if _, _, err := p.pack(t.Context(), rel{"3.6.16", "amd64"}); !errors.Is(err, boom) {
		t.Fatalf("error %v", err)
	}
	left, err := filepath.Glob(filepath.Join(p.out, "v3.6.16", "[^.]*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestArchiveLayout(t *testing.T) {
	dir := t.TempDir()
	r := rel{"3.6.16", "amd64"}
	if err := fakeBuild(new(int))(t.Context(), r, dir); err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	for _, w := range []io.Writer{&a, &b} {
		if err := writeArchive(w, r, dir); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same programs differ")
	}
	zr, err := gzip.NewReader(&a)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
	}
	want := []string{
		"drwxr-xr-x etcd-v3.6.16-linux-amd64/",
		"-rw-r--r-- etcd-v3.6.16-linux-amd64/README.md",
		"-rwxr-xr-x etcd-v3.6.16-linux-amd64/etcd",
		"-rwxr-xr-x etcd-v3.6.16-linux-amd64/etcdctl",
		"-rwxr-xr-x etcd-v3.6.16-linux-amd64/etcdutl",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		args string
		want []string
		bad  string
	}{
		{args: "-arch amd64 3.6.16", want: []string{"3.6.16"}},
		{args: "-arch arm64 v3.6.16 3.5.35 3.7.0-rc.1", want: []string{"3.6.16", "3.5.35", "3.7.0-rc.1"}},
		{args: "", bad: "name a version"},
		{args: "3.6", bad: "3.6.16"},
		{args: "3.6.16/../..", bad: "3.6.16"},
		{args: "-arch sparc 3.6.16", bad: "amd64"},
		{args: "-nonsense", bad: "nonsense"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			o, err := parse(strings.Fields(tt.args), io.Discard)
			if tt.bad != "" {
				if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), tt.bad) {
					t.Fatalf("error %v, want a usage error that says %q", err, tt.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, o.versions); diff != "" {
				t.Errorf("versions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTail(t *testing.T) {
	if got := tail("one\ntwo\nthree\n", 8); got != "three\n" {
		t.Errorf("tail %q", got)
	}
}
