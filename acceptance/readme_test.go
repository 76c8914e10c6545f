package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme holds README and docs to the binary: what they tell people to type exists, and what they show is what
// there is.
func TestReadme(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			text := read(t, page)
			for _, command := range commandsIn(text) {
				if out, err := inDir(t, ".", append(command, "--help")...); err != nil ||
					!strings.Contains(out, strings.Join(append([]string{"clusterup"}, command...), " ")) {
					t.Errorf("there is no command %q: %v\n%s", command, err, out)
				}
			}
			for _, link := range links.FindAllStringSubmatch(text, -1) {
				target, _, _ := strings.Cut(link[1], "#")
				if strings.Contains(target, "://") || target == "" {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
					t.Errorf("a link leads nowhere: %v", err)
				}
			}
		})
	}

	readme := read(t, "../README.md")
	if found := commandsIn(readme); len(found) < 5 {
		t.Errorf("commands are found no more, only %v", found)
	}
	t.Run("starter", func(t *testing.T) {
		dir := t.TempDir()
		typed := regexp.MustCompile(`(?m)^ {4}clusterup (init .*)$`).FindStringSubmatch(readme)
		if typed == nil {
			t.Fatal("no clusterup init to type")
		}
		for _, args := range [][]string{strings.Fields(typed[1]), {"validate", "prod.hcl"}, {"fmt", "--check", "prod.hcl"}} {
			if out, err := inDir(t, dir, args...); err != nil {
				t.Errorf("clusterup %v: %v\n%s", args, err, out)
			}
		}
	})
	t.Run("example", func(t *testing.T) {
		_, rest, _ := strings.Cut(readme, "```hcl\n")
		if shown, _, _ := strings.Cut(rest, "```"); shown != read(t, "../examples/three-members.hcl") {
			t.Error("the inventory shown is not examples/three-members.hcl")
		}
	})
	t.Run("length", func(t *testing.T) {
		if n := strings.Count(readme, "\n"); n >= 200 {
			t.Errorf("%d lines, want less than 200", n)
		}
	})
}

var (
	typed = regexp.MustCompile(
		"(?m)(?:^ {4}|^\\$ |`|&& |bin/)clusterup ([a-z]+(?: (?:up|down|run|status|bash|zsh|fish)\\b)?)")
	links = regexp.MustCompile(`\]\(([^)]+)\)`)
)

// commandsIn are the commands of clusterup that a text tells people to type, each once.
func commandsIn(text string) [][]string {
	var found []string
	for _, match := range typed.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	var commands [][]string
	for _, command := range slices.Compact(found) {
		words := strings.Fields(command)
		if words[0] != "lab" && words[0] != "completion" {
			words = words[:1]
		}
		commands = append(commands, words)
	}
	return commands
}

// inDir runs clusterup for what needs no hosts.
func inDir(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), clusterup, args...)
	cmd.Dir = dir
	cmd.Env = environment(t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}
