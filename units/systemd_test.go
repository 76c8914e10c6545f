package units

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSystemdAgrees asks the systemd of this machine what it thinks of the units. Whether etcd works in them is tested
// on real hosts.
func TestSystemdAgrees(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	paths, err := filepath.Glob("testdata/*.service")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden units", err)
	}
	for _, golden := range paths {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			data, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			unit := filepath.Join(t.TempDir(), "etcd-"+filepath.Base(golden))
			// verify wants it to exist
			real := regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(data, []byte("ExecStart=/bin/true"))
			if err := os.WriteFile(unit, real, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil ||
				len(out) > 0 {
				t.Errorf("verify: %v\n%s", err, out)
			}
			out, err := exec.CommandContext(t.Context(), analyze, "security", "--no-pager", "--offline=yes",
				unit).CombinedOutput()
			level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
			if level == nil {
				t.Fatalf("security: %v\n%s", err, out)
			}
			if exposure, err := strconv.ParseFloat(string(level[1]), 64); err != nil || exposure > 2.0 {
				t.Errorf("exposure is %s, more than 2.0\n%s", level[1], out)
			}
		})
	}
}

// splitWords reads a line of a unit as systemd.syntax(7) and systemd.service(5) say that systemd does, with no
// variables set.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, started := rune(0), false
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		pair := i+1 < len(runes) && runes[i+1] == r
		switch {
		case r == '\\' && i+1 < len(runes):
			i++
			word.WriteRune(map[rune]rune{'n': '\n', 't': '\t', 'r': '\r', '"': '"', '\'': '\'', '\\': '\\'}[runes[i]])
		case quote == 0 && (r == '"' || r == '\''):
			quote, started = r, true
			continue
		case quote != 0 && r == quote:
			quote = 0
			continue
		case quote == 0 && r == ' ':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
			continue
		case (r == '%' || r == '$') && pair:
			i++
			word.WriteRune(r)
		case r == '%' || r == '$':
			word.WriteString("EXPANDED")
		default:
			word.WriteRune(r)
		}
		started = true
	}
	if started {
		words = append(words, word.String())
	}
	return words
}

// Whatever a member is made of reaches etcd as it is.
func TestUnitCarriesTheArguments(t *testing.T) {
	for _, odd := range []string{
		"", " ", "a b", `"`, `'`, `\`, `a\nb`, "$HOME", "${HOME}", "$$", "%i", "%%", "100%", "a;b", ";", "#", "tab\there",
		"two\nlines", "é", "~", "*", "a=b,c=d",
	} {
		m := prod("3.6.16")
		m.Flags = map[string]string{"log-format": odd}
		m.DataDir = "/srv/" + odd
		unit := strings.ReplaceAll(string(Unit(m).Data), "\\\n", " ")
		settings := map[string][]string{}
		for line := range strings.SplitSeq(unit, "\n") {
			if key, value, ok := strings.Cut(line, "="); ok {
				settings[key] = append(settings[key], value)
			}
		}
		if got := splitWords(settings["ExecStart"][0]); !slices.Equal(got, Args(m)) {
			t.Errorf("%q: etcd gets %q", odd, got)
		}
		for setting, script := range map[string]string{
			"ExecCondition": guardScript, "ExecStop": stopScript, "ExecStopPost": noteScript,
		} {
			argv := splitWords(settings[setting][0])
			if len(argv) != 6 || argv[4] != birthPath(m.ConfigDir) || argv[5] != m.walDir() {
				t.Errorf("%q: %s gets %q", odd, setting, argv)
			}
			if strings.Join(strings.Fields(argv[2]), " ") != strings.Join(strings.Fields(script), " ") {
				t.Errorf("%q: the shell of %s gets %q", odd, setting, argv[2])
			}
			if len(settings[setting]) != 1 {
				t.Errorf("%q adds to %s", odd, setting)
			}
		}
		if len(settings["ExecStart"]) != 1 {
			t.Errorf("%q adds settings: %v", odd, slices.Sorted(maps.Keys(settings)))
		}
	}
}
