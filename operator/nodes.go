package operator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/balancer"
	"github.com/clusterup/clusterup/plan/etcd"
	files "github.com/clusterup/clusterup/units/balancer"
)

// NodeRules decide about the nodes of the inventory's balancers; nil: there are none, or an observer asks, who sees no
// host. seen tells for which architectures a program is needed; one that is not at hand is a refusal of its nodes.
func (s *Session) NodeRules(w etcd.Want, seen facts.Snapshot) (plan.Rules, error) {
	if len(s.Cluster.Nodes()) == 0 || s.observer != nil {
		return nil, nil
	}
	want := balancer.Want{Etcd: w, Programs: map[string]plan.Program{}}
	for _, node := range seen.Nodes {
		if _, known := want.Programs[node.Arch]; known || !slices.Contains(architectures, node.Arch) {
			continue
		}
		if program, err := s.program(node.Arch); err == nil { // else it is not at hand
			want.Programs[node.Arch] = program
		}
	}
	return balancer.Rules{Want: want}, nil
}

// architectures are those that the program for nodes is built for. What a host says of its own is not believed: it
// becomes a part of the name of a file.
var architectures = []string{"amd64", "arm64", "ppc64le", "s390x"}

// maxProgram bounds the program for nodes, in bytes.
const maxProgram = 256 << 20

// programFile is where the program for nodes of an architecture lies: beside this one.
func (s *Session) programFile(arch string) (string, error) {
	if s.options.Programs != "" {
		return filepath.Join(s.options.Programs, "clusterup-node-linux-"+arch), nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program for nodes: %w", err)
	}
	return filepath.Join(filepath.Dir(self), "clusterup-node-linux-"+arch), nil
}

// program is the program for nodes of an architecture, as it lies on this machine now.
func (s *Session) program(arch string) (plan.Program, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, known := s.programs[arch]; known {
		return p, nil
	}
	path, err := s.programFile(arch)
	if err != nil {
		return plan.Program{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return plan.Program{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxProgram {
		return plan.Program{}, fmt.Errorf("%s is no program: it is no regular file, or has more than %d MiB", path, maxProgram>>20)
	}
	file, err := os.Open(path)
	if err != nil {
		return plan.Program{}, err
	}
	defer file.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return plan.Program{}, fmt.Errorf("read %s: %w", path, err)
	}
	p := plan.Program{Arch: arch, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size}
	p.Path = files.ProgramPath(p.SHA256)
	if s.programs == nil {
		s.programs = map[string]plan.Program{}
	}
	s.programs[arch] = p
	return p, nil
}

func (o operatorDir) Program(_ context.Context, p plan.Program) (apply.Input, error) {
	if !slices.Contains(architectures, p.Arch) {
		return apply.Input{}, fmt.Errorf("there is no program for %q", p.Arch)
	}
	path, err := o.session.programFile(p.Arch)
	if err != nil {
		return apply.Input{}, err
	}
	return apply.Input{Size: p.Size, Open: func() (io.ReadCloser, error) { return os.Open(path) }}, nil
}

func (o operatorDir) IssueClient(
	_ context.Context, name string, leaf plan.Leaf,
) (cert, key []byte, serial string, err error) {
	store, err := o.session.Store()
	if err != nil {
		return nil, nil, "", err
	}
	pair, err := store.IssueClient(name, pki.Leaf{
		Generation: leaf.Generation, CN: leaf.CN, Lifetime: leaf.Lifetime, Algorithm: leaf.Algorithm,
	}, o.session.Now(), rand.Reader)
	if err != nil {
		return nil, nil, "", err
	}
	if err := store.ForgetEnded(name, o.session.Now()); err != nil {
		return nil, nil, "", err
	}
	return pair.Cert, pair.Key, pair.Serial, nil
}

// nodeConfig is how the host of a node is reached.
func nodeConfig(n inventory.Node) inventory.Member {
	return inventory.Member{Name: n.Name, SSHAddress: n.SSHAddress, SSHPort: n.SSHPort, SSH: n.SSH}
}
