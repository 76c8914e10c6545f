package trust

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// site is a formed cluster of which one role is looked at. Its CAs are a word each: the generation, and then "r" for
// retired, "k" without a key, "g" given by others, "e" ended, and "s" with the root of the others that say so. Its
// members are "1+2/1", which trusts CA 1 and 2 and has a leaf of CA 1, "plain", which asks for no certificate, or
// "dark".
func site(t *testing.T, role, cas, members string) State {
	t.Helper()
	s := State{
		Settings: Settings{
			Cluster: "prod", ConfigDir: "/etc/etcd/prod", UnitPath: "/unit", Peers: true, Clients: true,
			CALifetime: 3650 * day, Lifetime: 365 * day, RenewBefore: 120 * day, Algorithm: "ecdsa-p256",
		},
		Seen:   facts.Snapshot{Taken: noon, Hosts: map[string]facts.Host{}},
		Formed: true,
	}
	for _, word := range strings.Fields(cas) {
		ca := facts.CA{Role: role, Generation: int(word[0] - '0'), NotBefore: noon.Add(-day), NotAfter: noon.Add(3649 * day)}
		ca.SHA256 = fmt.Sprintf("%s-%d", role, ca.Generation)
		ca.PEM = []byte(ca.SHA256 + "\n")
		has := func(mark string) bool { return strings.Contains(word[1:], mark) }
		ca.Retired, ca.Given = has("r"), has("g")
		ca.Signing = !ca.Retired && !has("k")
		if has("s") {
			ca.Trust = []byte("root\n")
		}
		if has("e") {
			ca.NotBefore, ca.NotAfter = noon.Add(-30*day), noon.Add(-day)
		}
		s.Seen.Operator.CAs = append(s.Seen.Operator.CAs, ca)
	}
	for i, word := range strings.Fields(members) {
		host := facts.Host{
			Machine: facts.Machine{Name: fmt.Sprintf("etcd-%d", i+1), Files: map[string]facts.File{}},
			Member:  facts.Member{Process: &facts.Process{Args: []string{"etcd"}}, Leaves: map[string]facts.Leaf{}},
		}
		switch word {
		case "dark":
			host = facts.Host{Machine: facts.Machine{Name: host.Name, Unreachable: "no route"}}
		case "plain":
		default:
			trusts, leaf, _ := strings.Cut(word, "/")
			var bundle []facts.CA
			for generation := range strings.SplitSeq(trusts, "+") {
				bundle = append(bundle, s.ca(t, role, generation))
			}
			file := units.Trust(s.ConfigDir, role, PEM(bundle))
			host.Files[file.Path] = facts.File{Content: file.Data}
			host.Process.Args = append(host.Process.Args, "--"+BundleFlag[role]+"="+file.Path)
			host.Leaves[LeafOf[role]] = facts.Leaf{Issuer: s.ca(t, role, leaf).SHA256, Intact: true}
		}
		s.Seen.Hosts[host.Name] = host
		s.Members.List = append(s.Members.List, host.Name)
	}
	s.Name, s.Hosts = func(name string) string { return name }, s.Seen.Hosts
	return s
}

func (s State) ca(t *testing.T, role, generation string) facts.CA {
	t.Helper()
	i := slices.IndexFunc(s.CAs(role), func(ca facts.CA) bool { return fmt.Sprint(ca.Generation) == generation })
	if i < 0 {
		t.Fatalf("no %s CA %q", role, generation)
	}
	return s.CAs(role)[i]
}

// client adds a client's certificate, of so many days that are left.
func (s *State) client(name, serial string, generation, left int) {
	end := noon.Add(time.Duration(left) * day)
	s.Seen.Operator.Clients = append(s.Seen.Operator.Clients, facts.Client{
		Name: name, Serial: serial, Generation: generation, NotBefore: end.Add(-365 * day), NotAfter: end,
	})
}

// generations are those of CAs, "1 2".
func generations(cas []facts.CA) string {
	var words []string
	for _, ca := range cas {
		words = append(words, fmt.Sprint(ca.Generation))
	}
	return strings.Join(words, " ")
}

// told are steps in words: "retire-ca 1".
func told(steps []plan.Step) string {
	var words []string
	for _, step := range steps {
		word := string(step.Kind)
		switch {
		case step.Kind == plan.HoldRotation:
			word += " " + step.Phase
		case step.Generation > 0:
			word += fmt.Sprint(" ", step.Generation)
		case step.Leaf != nil:
			word += fmt.Sprintf(" %s of %d: %s", step.Leaf.Role, step.Leaf.Generation, step.Why)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
