package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/view"
)

const three = `cluster "prod" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.11" } # the first
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" {
    address     = "10.0.0.13"
    ssh_address = "192.0.2.13"
  }
}
`

const repeated = `cluster "prod" {
  version = "3.6.16"
  member "etcd" {
    for_each = { 1 = "10.0.0.11", 2 = "10.0.0.12" }
    address  = each.value
  }
}
`

// verbs gives a console, and a file with a text.
func verbs(t *testing.T, text string) (c *console, file string, said *bytes.Buffer) {
	t.Helper()
	file, said = filepath.Join(t.TempDir(), "prod.hcl"), new(bytes.Buffer)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	screen := &view.Console{In: in, Out: said, Err: said, Stop: make(chan struct{})}
	return &console{Console: screen, base: t.Context()}, file, said
}

// misused says whether an error is a mistake of whoever typed the command.
func misused(err error) bool { return err != nil && view.Advice(nil).ExitCode(err) == view.ExitUsage }

func TestToRemove(t *testing.T) {
	const alone = "cluster \"prod\" {\n  version = \"3.6.16\"\n  member \"etcd-1\" { address = \"10.0.0.11\" }\n}\n"
	for name, test := range map[string]struct {
		text, member string
		state        bool // the file is to say it
		misused      bool
	}{
		"of the inventory":  {text: three, member: "etcd-2", state: true},
		"of none":           {text: three, member: "etcd-9"},
		"by its ID":         {text: three, member: "7bec552ca278515a"},
		"the only one":      {text: alone, member: "etcd-1", misused: true},
		"one of a for_each": {text: repeated, member: "etcd-2", misused: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, file, _ := verbs(t, test.text)
			s, err := c.toRemove(test.member, file, clusterFlags{})
			if misused(err) != test.misused || err != nil && !test.misused {
				t.Fatal(err)
			}
			if is, _ := os.ReadFile(file); string(is) != test.text {
				t.Error("the file is changed before anybody has agreed")
			}
			if err != nil {
				return
			}
			defer s.end()
			if len(s.flags.accept) > 0 || test.state != (s.edit != nil) ||
				s.verb != "member remove "+test.member {
				t.Errorf("accepts %v, edit %v, %s", s.flags.accept, s.edit, s.verb)
			}
			if !test.state {
				return
			}
			if err := s.edit.write(); err != nil {
				t.Fatal(err)
			}
			if is, _ := os.ReadFile(file); !strings.Contains(string(is), `state   = "absent"`) ||
				!strings.Contains(string(is), "# the first") || !s.member("etcd-2").Absent {
				t.Errorf("the file is\n%s", is)
			}
		})
	}
}

func TestToReplace(t *testing.T) {
	for name, test := range map[string]struct {
		text, member, address string
		misused               bool
		edit                  bool
	}{
		"as it is":            {text: three, member: "etcd-2"},
		"on another machine":  {text: three, member: "etcd-2", address: "10.0.0.22", edit: true},
		"on the same":         {text: three, member: "etcd-2", address: "10.0.0.12"},
		"at no address":       {text: three, member: "etcd-2", address: "a b", misused: true},
		"nobody":              {text: three, member: "etcd-9", misused: true},
		"one of a for_each":   {text: repeated, member: "etcd-2"},
		"its address by hand": {text: repeated, member: "etcd-2", address: "10.0.0.22", misused: true},
		"one that is to leave": {
			text: strings.Replace(three, `"10.0.0.13"`, "\"10.0.0.13\"\n state = \"absent\"", 1), member: "etcd-3", misused: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, file, _ := verbs(t, test.text)
			s, err := c.toReplace(test.member, test.address, file, clusterFlags{accept: []string{"downtime"}})
			if misused(err) != test.misused || err != nil && !test.misused {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			defer s.end()
			if !slices.Equal(s.flags.accept, []string{"downtime"}) || test.edit != (s.edit != nil) {
				t.Errorf("accepts %v, edit %v", s.flags.accept, s.edit)
			}
		})
	}
	c, file, _ := verbs(t, repeated)
	_, err := c.toReplace("etcd-2", "10.0.0.22", file, clusterFlags{})
	if by := new(inventory.EditError); !errors.As(err, &by) || by.Edit != `address = each.key == "2" ? "10.0.0.22" : each.value` {
		t.Errorf("no edit to make: %v", err)
	}
}

// Addresses that the inventory names besides are told, and one at which nobody answers is refused.
func TestMovable(t *testing.T) {
	c, file, said := verbs(t, three)
	s, err := c.toReplace("etcd-3", "10.0.0.33", file, clusterFlags{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.end()
	a := newAging(t, "")
	if err := s.fits(t.Context(), a.seen); err != nil || !strings.Contains(said.String(), "ssh_address 192.0.2.13") ||
		strings.Contains(said.String(), "peer_address") {
		t.Errorf("%v, %s", err, said)
	}
	s, err = c.toReplace("etcd-3", "10.0.0.33", file, clusterFlags{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.end()
	a.host("etcd-3", func(h *facts.Host) { *h = darkHost(h.Name) })
	if err := s.fits(t.Context(), a.seen); view.Advice(nil).ExitCode(err) != view.ExitUnreachable || plan.DarkOnly(err) {
		t.Errorf("an address where nobody is: %v", err)
	}
}

func darkHost(name string) facts.Host {
	return facts.Host{Machine: facts.Machine{Name: name, Unreachable: name + ": no route"}}
}

// Verbs look at how members stand before they plan anything.
func TestVerbsFit(t *testing.T) {
	fresh := newAging(t, "")
	for name := range fresh.seen.Hosts {
		fresh.host(name, func(h *facts.Host) { *h = facts.Host{Machine: h.Machine}; h.Files = nil })
	}
	fresh.seen.Members, fresh.seen.Operator = nil, facts.Operator{}
	wiped := newAging(t, "")
	wiped.host("etcd-2", func(h *facts.Host) { h.Process, h.Etcd, h.Reads, h.Data = nil, nil, false, facts.Data{} })
	night := newAging(t, "")
	for name := range night.seen.Hosts {
		night.host(name, func(h *facts.Host) { *h = darkHost(h.Name) })
	}
	night.seen.Members = nil
	more := newAging(t, "")
	more.seen.Members = append(more.seen.Members,
		facts.Listed{ID: 0xabc, Learner: true, PeerURLs: []string{"https://10.0.0.19:2380"}})
	well := newAging(t, "")
	id := well.seen.Members[0].ID.String()
	replace := func(a *aging, name string) error { return a.session.replaceable(t.Context(), name, a.seen) }
	promote := func(a *aging, name string) error { return a.session.promotable(name, a.seen) }
	lead := func(a *aging, name string) error { return a.session.mayLead(name, a.seen) }
	remove := func(a *aging, name string) error { return a.session.given(name, a.seen, true) }
	for name, test := range map[string]struct {
		world *aging
		verb  func(*aging, string) error
		of    string
		exit  int
	}{
		"replace one that is well":       {well, replace, "etcd-2", 2},
		"replace one that is wiped":      {wiped, replace, "etcd-2", 0},
		"replace, with no cluster":       {fresh, replace, "etcd-2", 13},
		"replace, all in the dark":       {night, replace, "etcd-2", 12},
		"promote a voter":                {well, promote, "etcd-2", 0},
		"promote nobody":                 {well, promote, "etcd-9", 2},
		"promote an ID":                  {well, promote, id, 2},
		"promote one that is not ours":   {more, promote, "abc", 2},
		"promote, with no cluster":       {fresh, promote, "etcd-2", 13},
		"lead":                           {well, lead, "etcd-2", 0},
		"lead, whoever may":              {well, lead, "", 0},
		"lead, nobody":                   {well, lead, "etcd-9", 2},
		"lead, one that is not ours":     {more, lead, "abc", 2},
		"lead, all in the dark":          {night, lead, "", 12},
		"remove one that is not ours":    {more, remove, "abc", 0},
		"remove nobody":                  {well, remove, "etcd-9", 2},
		"remove one of ours, by its ID":  {well, remove, id, 2},
		"remove, with no cluster at all": {fresh, remove, "etcd-9", 13},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := verbs(t, three)
			test.world.session.console = c
			err := test.verb(test.world, test.of)
			if exit := view.Advice(nil).ExitCode(err); exit != test.exit || plan.DarkOnly(err) {
				t.Errorf("exit %d, want %d: %v", exit, test.exit, err)
			}
		})
	}
}

// A verb agrees to what is shown: to the member that was there at the first look, and not to one that has come since.
func TestVerbsNameTheMember(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*aging)
		verb   func(*console, string) (*session, error)
		want   string
	}{
		"replace": {
			func(a *aging) { a.host("etcd-2", func(h *facts.Host) { *h = darkHost(h.Name) }) },
			func(c *console, file string) (*session, error) {
				return c.toReplace("etcd-2", "", file, clusterFlags{accept: []string{"hops"}})
			},
			"hops replace:etcd-2@ID",
		},
		"replace one that is no member": {
			func(a *aging) {
				a.host("etcd-2", func(h *facts.Host) { *h = facts.Host{Machine: h.Machine} })
				a.seen.Members = slices.DeleteFunc(slices.Clone(a.seen.Members),
					func(l facts.Listed) bool { return l.Name == "etcd-2" })
			},
			func(c *console, file string) (*session, error) {
				return c.toReplace("etcd-2", "", file, clusterFlags{})
			},
			"replace:etcd-2",
		},
		"remove": {
			func(a *aging) {
				a.seen.Members = append(slices.Clone(a.seen.Members),
					facts.Listed{ID: 0xabc, Name: "etcd-9", PeerURLs: []string{"https://10.0.0.19:2380"}})
			},
			func(c *console, file string) (*session, error) { return c.toRemove("etcd-9", file, clusterFlags{}) },
			"remove:abc",
		},
	} {
		a := newAging(t, "")
		id := a.seen.Members[slices.IndexFunc(a.seen.Members, func(l facts.Listed) bool { return l.Name == "etcd-2" })].ID
		test.change(a)
		c, file, _ := verbs(t, three)
		s, err := test.verb(c, file)
		if err != nil {
			t.Fatal(err)
		}
		defer s.end()
		if err := s.fits(t.Context(), a.seen); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		later := a.seen
		later.Members = slices.Clone(later.Members)
		for i := range later.Members {
			later.Members[i].ID++
		}
		_ = s.fits(t.Context(), later)
		if got := strings.Join(s.flags.accept, " "); got != strings.ReplaceAll(test.want, "ID", id.String()) {
			t.Errorf("%s: agrees to %q, want %q", name, got, test.want)
		}
	}
	for accept, ok := range map[string]bool{
		"replace:etcd-2": true, "replace:etcd-2@8e9e05c52164694d": true, "remove:abc": true, "remove:old@abc": true,
		"replace:etcd-2@": false, "replace:@abc": false, "replace:etcd-2@0abc": false, "remove:old@x": false,
		"gone:etcd-2@abc": false,
	} {
		if err := (&clusterFlags{accept: []string{accept}}).check(); misused(err) == ok {
			t.Errorf("--accept=%s: %v", accept, err)
		}
	}
}

func TestSameList(t *testing.T) {
	list := []facts.Listed{{ID: 1, ClientURLs: []string{"https://10.0.0.11:2379"}}, {ID: 2, Learner: true}}
	voter := []facts.Listed{list[0], {ID: 2}}
	if !sameList(list, list) || sameList(list, voter) || sameList(list, list[:1]) || !sameList(nil, list) ||
		!sameList(list, nil) {
		t.Error("a list is not told from another")
	}
}
