package release

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func exampleLock() Lock {
	return Lock{
		"3.6.16/amd64":     hexOf([]byte("a")),
		"3.6.16/ppc64le":   hexOf([]byte("b")),
		"3.5.35/arm64":     hexOf([]byte("c")),
		"3.7.0-rc.1/amd64": hexOf([]byte("d")),
	}
}

func TestLockGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.lock.hcl")
	if err := exampleLock().Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "release.lock.hcl")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("lock file (-want +got):\n%s", diff)
	}
	back, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleLock(), back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestLockWriteLeavesTheSameAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.lock.hcl")
	ids := make([]fileID, 3)
	for i, l := range []Lock{exampleLock(), exampleLock(), {}} {
		if err := l.Write(path); err != nil {
			t.Fatal(err)
		}
		f, id, err := openRegular(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		ids[i] = id
	}
	if ids[0] != ids[1] {
		t.Error("the same lock was written again")
	}
	if ids[1] == ids[2] {
		t.Error("another lock was not written")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("in the folder: %v, %v", left, err)
	}
}

func TestLockWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.lock.hcl")
	for _, l := range []Lock{
		{"3.6.16": hexOf(nil)},
		{"x/amd64": hexOf(nil)},
		{"3.6.16/amd 64": hexOf(nil)},
		{"3.6.16/amd64": "abc"},
	} {
		if err := l.Write(path); err == nil {
			t.Errorf("wrote %v", l)
		}
	}
	requireNoFiles(t, filepath.Dir(path), "release.lock.hcl")
}

func TestReadLock(t *testing.T) {
	sum := hexOf(nil)
	tests := []struct {
		name, text string
		want       Lock
		bad        string // in the error, after the path
	}{
		{name: "empty", want: Lock{}},
		{
			name: "free spacing",
			text: "// a\r\n\r\nrelease  \"3.6.16\"  {\r\n\tamd64=\"" + sum + "\"\r\n# b\r\n}",
			want: Lock{"3.6.16/amd64": sum},
		},
		{name: "no release", text: "\namd64 = \"x\"\n", bad: `:2,1-6: Unsupported argument`},
		{name: "no version", text: "release \"../x\" {\namd64 = \"" + sum + "\"\n}\n", bad: `read version ".."`},
		{
			name: "no architecture", text: "release \"3.6.16\" {\nAMD = \"" + sum + "\"\n}\n",
			bad: `for "AMD": no such architecture`,
		},
		{
			name: "no digest", text: "release \"3.6.16\" {\n  amd64 = \"abc\"\n}\n",
			bad: `"abc" of 3.6.16/amd64 is not a sha256`,
		},
		{
			name: "a call", text: "release \"3.6.16\" {\n  amd64 = file(\"x\")\n}\n",
			bad: `:2,11-20: Function calls not allowed`,
		},
		{
			name: "twice", text: strings.Repeat("release \"3.6.16\" {\namd64 = \""+sum+"\"\n}\n", 2),
			bad: `3.6.16/amd64 is there twice`,
		},
		{
			name: "architecture twice", text: "release \"3.6.16\" {\namd64=\"" + sum + "\"\namd64=\"" + sum + "\"\n}\n",
			bad: `:3,1-6: Attribute redefined`,
		},
		{name: "merge conflict", text: "<<<<<<< HEAD\n", bad: `:1,1-2: Argument or block`},
		{name: "not closed", text: "release \"3.6.16\" {\n", bad: "Unclosed configuration block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeTemp(t, "release.lock.hcl", []byte(tt.text))
			got, err := ReadLock(path)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("error %v, want one that says %q", err, tt.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lock (-want +got):\n%s", diff)
			}
		})
	}
	got, err := ReadLock(filepath.Join(t.TempDir(), "missing"))
	if err != nil || got == nil || len(got) != 0 {
		t.Errorf("a missing file: %v, %v", got, err)
	}
}
