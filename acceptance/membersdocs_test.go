package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/shellword"
)

// membersPage is docs/members.md, whose recipes lead from one to the next.
const membersPage = "../docs/members.md"

// TestMembersPage runs docs/members.md from its text, from its first block to its last, on five hosts. Commands say
// what the page shows, edits are made as they are shown, and comments in the page say what people do to machines.
func TestMembersPage(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	followed(t, newSite(t, "page", hosts(5)...), membersPage)
}

// TestDisastersPage runs docs/disasters.md in the same way, on three hosts.
func TestDisastersPage(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	followed(t, newSite(t, "disasters", hosts(3)...), "../docs/disasters.md")
}

// TestUpkeepPage runs docs/upkeep.md in the same way.
func TestUpkeepPage(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	followed(t, newSite(t, "upkeeping", hosts(3)...), "../docs/upkeep.md")
}

// followed runs a page from its text.
func followed(t *testing.T, s *site, page string) {
	t.Helper()
	text := read(t, page)
	recipes := recipesOf(t, page, text)
	r := newReader(t, s)
	r.page = page
	r.known(t, text)
	for _, recipe := range recipes {
		if t.Run(recipe.name, func(t *testing.T) { r.follow(t, recipe) }); r.lost {
			return // the next ones begin where this one should have ended
		}
	}
}

// TestGrowingExample: what examples/growing.hcl shows is what the page of members shows, which is run.
func TestGrowingExample(t *testing.T) {
	t.Parallel()
	page, shown := read(t, membersPage), 0
	var block []string
	for line := range strings.Lines(read(t, "../examples/growing.hcl")) {
		text, comment := strings.CutPrefix(line, "#   ")
		if comment {
			block = append(block, strings.ReplaceAll(text, "growing", "prod"))
			continue
		}
		if block != nil && !strings.Contains(page, "```console\n"+strings.Join(block, "")+"```") {
			t.Errorf("the page has no block\n%s", strings.Join(block, ""))
		}
		if block != nil {
			shown++
		}
		block = nil
	}
	if shown < 3 {
		t.Errorf("%d blocks are found, want some more", shown)
	}
}

// recipe is a section of the page that has something to do.
type recipe struct {
	name  string
	steps []pageStep
}

// pageStep is a fenced block, or a comment for the test.
type pageStep struct {
	line int
	kind string // language of the block, or the word of the comment
	text string
}

// deeds are the comments that a page may hold: <!-- test: WORD ARGUMENT -->.
var deeds = map[string]func(t *testing.T, r *reader, arg string){
	"exits": func(t *testing.T, r *reader, arg string) { // of the last command of the next block
		code, err := strconv.Atoi(arg)
		must(t, err)
		r.code = code
	},
	"power-cut": func(t *testing.T, r *reader, arg string) { must(t, r.site.lab.PowerCut(t.Context(), r.host(t, arg))) },
	"new-machine": func(t *testing.T, r *reader, arg string) { // its host key is known
		must(t, r.site.lab.Wipe(t.Context(), r.host(t, arg)))
	},
	"reinstall": func(t *testing.T, r *reader, arg string) { must(t, r.site.lab.Reset(t.Context(), r.host(t, arg))) },
	"second-address": func(t *testing.T, r *reader, arg string) {
		first, second, _ := strings.Cut(arg, ",")
		r.site.on(t, r.host(t, first), "ip addr add "+r.places[second]+"/15 dev host0")
	},
	"cut":  func(t *testing.T, r *reader, arg string) { r.site.cut(t, r.host(t, arg)) },
	"heal": func(t *testing.T, r *reader, arg string) { r.site.heal(t, r.host(t, arg)) },
	"writes": func(t *testing.T, r *reader, arg string) { // so many tenths of a megabyte
		prefix, count, _ := strings.Cut(arg, ":")
		n, err := strconv.Atoi(count)
		must(t, err)
		r.clients(t).writes(t, prefix, n)
	},
	"deletes":    func(t *testing.T, r *reader, arg string) { r.clients(t).deletes(t, arg) },
	"overwrites": func(t *testing.T, r *reader, arg string) { r.clients(t).fills(t, func(int) string { return arg }) },
	"fills": func(t *testing.T, r *reader, arg string) {
		r.clients(t).fills(t, func(n int) string { return fmt.Sprintf("%s/more-%03d", arg, n) })
	},
	"rots": func(t *testing.T, r *reader, arg string) { r.clients(t).rots(t, r.host(t, arg)) },
	"new-disk": func(t *testing.T, r *reader, arg string) {
		r.site.on(t, r.host(t, arg), "systemctl stop etcd-prod; rm -rf /var/lib/etcd-prod/member /srv/etcd/prod/member")
	},
}

var pageComment = regexp.MustCompile(`^<!-- test: (\S+) (\S+) -->$`)

// recipesOf are the sections of a page. What the test does not know fails it.
func recipesOf(t *testing.T, page, text string) []recipe {
	t.Helper()
	var found []recipe
	var open *pageStep
	for i, line := range strings.Split(text, "\n") {
		n := i + 1
		switch comment := pageComment.FindStringSubmatch(line); {
		case open != nil && line == "```":
			found[len(found)-1].add(*open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "#"):
			found = append(found, recipe{name: strings.Trim(line, "# ")})
		case strings.HasPrefix(line, "```"):
			open = &pageStep{line: n, kind: line[3:]}
			if !slices.Contains([]string{"hcl", "diff", "console", "cron", "sh", "ini"}, open.kind) {
				t.Fatalf("%s:%d: nobody runs a block of %q", page, n, open.kind)
			}
		case comment != nil && deeds[comment[1]] != nil:
			found[len(found)-1].add(pageStep{n, comment[1], comment[2]})
		case strings.Contains(line, "<!--"), strings.HasPrefix(line, "    "):
			t.Fatalf("%s:%d: nobody knows what to do with %q", page, n, line)
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block has no end", page, open.line)
	}
	return slices.DeleteFunc(found, func(r recipe) bool { return len(r.steps) == 0 })
}

func (r *recipe) add(s pageStep) { r.steps = append(r.steps, s) }

// reader does what a page says.
type reader struct {
	site   *site
	page   string            // that is read
	path   string            // PATH, with clusterup in it
	secret string            // what the lab's inventories need besides
	code   int               // how the next block ends
	lost   bool              // a recipe was not followed to its end
	places map[string]string // addresses of the page, as they are in the lab
	worker *worker           // the client that is at work
}

func newReader(t *testing.T, s *site) *reader {
	t.Helper()
	folder, err := mirror()
	must(t, err)
	bin, err := filepath.Abs(s.program)
	must(t, err)
	dir := t.TempDir()
	must(t, os.Symlink(bin, filepath.Join(dir, "clusterup")))
	return &reader{
		site: s, path: dir + ":" + os.Getenv("PATH"), places: map[string]string{},
		secret: fmt.Sprintf("    sudo = true\n    agent = false\n    identity_file = %q\n    connect_timeout = \"6s\"\n  }\n\n  release { mirror = \"file://%s\" }\n",
			s.lab.KeyFile(), folder),
	}
}

// known settles which host stands for which address of the page, by its last digit, and makes the host keys known. 99
// stands for an address that no host has yet.
func (r *reader) known(t *testing.T, text string) {
	t.Helper()
	for _, address := range regexp.MustCompile(`\b10\.0\.0\.[1-9][1-5]\b`).FindAllString(text, -1) {
		r.places[address] = r.site.host(t, "etcd-"+address[len(address)-1:]).IPv4.String()
	}
	one := r.site.host(t, "etcd-1").IPv4.String()
	r.places["10.0.0.99"] = one[:strings.LastIndex(one, ".")] + ".213"
	dir := filepath.Join(r.site.home, ".ssh")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(read(t, r.site.lab.KnownHosts())), 0o600))
}

// host is the one that has an address of the page.
func (r *reader) host(t *testing.T, address string) string {
	t.Helper()
	for _, h := range r.site.lab.Hosts() {
		if h.IPv4.String() == r.places[address] {
			return h.Name
		}
	}
	t.Fatalf("no host has the address %s", address)
	return ""
}

// here is a text of the page as it reads in the lab.
func (r *reader) here(text string) string {
	text = strings.ReplaceAll(text, "/home/ops", r.site.home)
	for shown, address := range r.places {
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(shown)+`\b`).ReplaceAllString(text, address)
	}
	return text
}

// follow does what a recipe says, in order.
func (r *reader) follow(t *testing.T, recipe recipe) {
	r.lost = true // until its end
	for _, step := range recipe.steps {
		t.Logf("%s:%d: %s", r.page, step.line, step.kind)
		switch step.kind {
		case "cron":
			r.scheduled(t, step)
		case "sh":
			r.scripted(t, step)
		case "ini":
			r.unit(t, step)
		case "hcl":
			r.site.file(t, "prod.hcl", strings.Replace(r.here(step.text), "    sudo = true\n  }\n", r.secret, 1))
		case "diff":
			r.edit(t, r.here(step.text))
		case "console":
			r.enter(t, step)
		default:
			deeds[step.kind](t, r, step.text)
		}
	}
	r.lost = false
	if r.code != 0 {
		t.Errorf("nothing was run that exits with %d", r.code)
	}
}

// edit makes an edit of the inventory that the page shows.
func (r *reader) edit(t *testing.T, shown string) {
	t.Helper()
	var old, now strings.Builder
	for line := range strings.Lines(shown) {
		switch line[0] {
		case '-':
			old.WriteString(line[1:])
		case '+':
			now.WriteString(line[1:])
		default:
			old.WriteString(strings.TrimPrefix(line, " "))
			now.WriteString(strings.TrimPrefix(line, " "))
		}
	}
	file := read(t, filepath.Join(r.site.dir, "prod.hcl"))
	if strings.Count(file, old.String()) != 1 {
		t.Fatalf("the inventory does not have once\n%s\nbut is\n%s", old.String(), file)
	}
	r.site.file(t, "prod.hcl", strings.Replace(file, old.String(), now.String(), 1))
}

// enter types the commands of a block. The last one exits as the page says, and those before it with 0.
func (r *reader) enter(t *testing.T, step pageStep) {
	t.Helper()
	blocks := strings.Split("\n"+step.text, "\n$ ")
	if blocks[0] != "" || len(blocks) < 2 {
		t.Fatalf("%s:%d: the block begins with no command", r.page, step.line)
	}
	for i, block := range blocks[1:] {
		command, shown, _ := strings.Cut(r.here(strings.TrimSuffix(block, "\n")), "\n")
		got := r.site.launch(t, "env", "PATH="+r.path, "sh", "-c", command+" 2>&1").wait(t)
		want := 0
		if i == len(blocks)-2 {
			want, r.code = r.code, 0
		}
		if got.code != want {
			t.Fatalf("%s:%d: %s: exit code %d, want %d", r.page, step.line, command, got.code, want)
		}
		if line, ok := shows(shown, got.stdout); !ok {
			t.Errorf("%s:%d: %s: the page shows what is not there, from this line on: %q", r.page, step.line, command, line)
		}
	}
}

// scheduled runs what cron would run, in the folder of the inventory: there is nothing to mail then.
func (r *reader) scheduled(t *testing.T, step pageStep) {
	t.Helper()
	_, command, found := strings.Cut(strings.TrimSpace(step.text), " && ")
	if !found {
		t.Fatalf("%s:%d: the line has no command in a folder", r.page, step.line)
	}
	got := r.site.launch(t, "env", "PATH="+r.path, "sh", "-c", "cd "+shellword.Quote(r.site.dir)+" && "+command).wait(t)
	if got.code != 0 || got.stdout != "" {
		t.Errorf("%s:%d: exit code %d, and it says %q", r.page, step.line, got.code, got.stdout)
	}
}

// varies is what differs from run to run: IDs and digests, how long something took, days, sizes.
var varies = regexp.MustCompile(`\b[0-9a-f]{12,64}\b|\b[0-9]+(\.[0-9]+)? ?s\b|\b36[0-9]+ days|\b[0-9.]+ KiB`)

// shows compares what a page shows with what was said. … stands for anything on its line, and alone for any lines. The
// result is the first line shown that does not fit.
func shows(page, said string) (line string, ok bool) {
	plain := func(text string) string {
		text = varies.ReplaceAllString(text, "*")
		return regexp.MustCompile(`[ \t]+`).ReplaceAllString(text, " ")
	}
	said = plain(strings.TrimSuffix(said, "\n")) + "\n"
	if page == "" {
		return said, said == "\n"
	}
	pattern, lines := "^", strings.Split(page, "\n")
	for _, line := range lines {
		if strings.TrimSpace(line) == "…" {
			pattern += `(?:.*\n)*?`
			continue
		}
		pattern += ` ?` + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(plain(line))), "…", ".*") + ` ?\n`
		if !regexp.MustCompile(pattern).MatchString(said) {
			return line, false
		}
	}
	return "(more is said)", regexp.MustCompile(pattern + "$").MatchString(said)
}

// TestShows: what a page shows is compared line by line, but for what it leaves out and what differs from run to run.
func TestShows(t *testing.T) {
	const said = "MEMBER  ID\netcd-1  78a4635be571688e\n\nadd-learner/etcd-1   0.82s\nDone: 13 steps, 3.5 s.\n"
	for page, want := range map[string]bool{
		said: true,
		"MEMBER ID\netcd-1  ab728dbe4fdc523\n\nadd-learner/etcd-1  1.02s\nDone: 13 steps, 12 s.": true,
		"…\nadd-learner/etcd-1  0.82s\n…":                                                        true,
		"MEMBER  ID\n…\nDone: …":                                                                 true,
		"…":                                                                                      true,
		"MEMBER  ID\n…\nDone: 12 steps, …":                                                       false,
		"etcd-1  …\n…":                                                                           false, // more is said before it
		"…\netcd-1  …":                                                                           false, // and after it
		"…\nDone: …\nMEMBER  ID":                                                                 false,
		"":                                                                                       false,
	} {
		if line, ok := shows(strings.TrimSuffix(page, "\n"), said); ok != want {
			t.Errorf("%q is shown: %v, at %q", page, ok, line)
		}
	}
}
