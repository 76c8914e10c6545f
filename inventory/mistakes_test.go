package inventory_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/inventory"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMistakes holds what an operator reads about each mistake in
// testdata/mistakes against its golden file.
func TestMistakes(t *testing.T) {
	t.Chdir("testdata/mistakes")
	files, err := filepath.Glob("*.hcl*")
	if err != nil || len(files) < 40 {
		t.Fatalf("found %d files of mistakes: %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".golden") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f, diags := inventory.Load(name, inventory.Options{Home: "/home/ops"})
			if len(diags.All()) == 0 {
				t.Fatal("no diagnostic")
			}
			if (f == nil) != diags.HasErrors() || (diags.Err() == nil) == diags.HasErrors() {
				t.Errorf("file %v, errors %v, Err %v", f, diags.HasErrors(), diags.Err())
			}
			for _, d := range diags.All() {
				if d.File == "" || d.Line == 0 || d.Detail == "" {
					t.Errorf("diagnostic without a place or a detail: %+v", d)
				}
			}
			golden(t, name+".golden", text(t, diags))
		})
	}
}

func text(t *testing.T, d inventory.Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := d.Write(&b, 0, false); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), wd, "DIR")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
