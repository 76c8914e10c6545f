package look

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// Nodes are looked at beside members' hosts. One that cannot be is there with the reason, and one on which nothing was
// done is not asked again.
func TestGatherNodes(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := selfSigned(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, public, private)
	ca := facts.CA{Role: "client", SHA256: facts.Certificates(cert)[0], PEM: cert}
	const link = "/etc/clusterup/front/tls/client"
	answer := nodeHead + fmt.Sprintf("file\t81a4\ta\tb\t%d 1 1.0\t%s/cert.pem\ncontent\t%[2]s/cert.pem\nraw\n", len(cert), link) +
		"==> " + link + "/cert.pem <==\n" + string(cert) + "\nend\n"
	site := newSite(t, map[string]string{"a": "bare-debian12"})
	src := site.source()
	operator := facts.Operator{CAs: []facts.CA{ca}}
	src.Operator = func() (facts.Operator, error) { return operator, nil }
	if s := gather(t, src); s.Nodes != nil {
		t.Errorf("nobody asked: %+v", s.Nodes)
	}
	ask, lost := nodeAsk(), errors.New("refused")
	script := NodeScript(ask)
	src.NodeAsks = map[string]facts.NodeAsk{"n1": ask, "n2": ask, "n3": ask, "n4": ask, "n5": ask}
	src.NodeShells = map[string]Shell{
		"n1": fakeHost{t, script, []byte(answer), nil}, "n2": fakeHost{t, script, nil, lost},
		"n3": fakeHost{t, script, []byte("rubbish"), nil},
		"n4": fakeHost{t, "nothing", nil, nil}, "n5": fakeHost{t, script, []byte(answer), nil},
	}
	src.KeepNodes = map[string]facts.Node{
		"n4": {Machine: facts.Machine{Name: "n4", Arch: "arm64"}},
		"n5": {Machine: facts.Machine{Name: "n5", Unreachable: "it was"}},
	}
	s := gather(t, src)
	if n := s.Nodes["n1"]; n.Name != "n1" || n.Dark() || n.Pairs[link].Issuer != ca.SHA256 || n.ClockOffset == 0 {
		t.Errorf("a node: %+v", n)
	}
	if n := s.Nodes["n2"]; n.Name != "n2" || n.Unreachable != "refused" || !errors.Is(n.Err, lost) {
		t.Errorf("one that cannot be reached: %+v", n)
	}
	if n := s.Nodes["n3"]; n.Name != "n3" || n.Unreachable == "" || n.Err == nil || n.Arch != "" {
		t.Errorf("one that answers with rubbish: %+v", n)
	}
	if n := s.Nodes["n4"]; n.Arch != "arm64" || n.Dark() {
		t.Errorf("one that was kept: %+v", n)
	}
	if n := s.Nodes["n5"]; n.Dark() || n.Arch != "amd64" || len(s.Nodes) != 5 {
		t.Errorf("one that could not be seen before: %+v", n)
	}

	now, ok := With(s, facts.Operator{})
	if !ok || now.Nodes["n1"].Pairs[link].Issuer != "" || s.Nodes["n1"].Pairs[link].Issuer != ca.SHA256 {
		t.Errorf("%v, without a CA: %+v", ok, now.Nodes["n1"].Pairs)
	}
	now, ok = With(now, operator)
	if diff := cmp.Diff(s.Nodes["n1"].Pairs[link].Issuer, now.Nodes["n1"].Pairs[link].Issuer); diff != "" || !ok ||
		len(now.Nodes) != 5 {
		t.Errorf("with it again (-want +got):\n%s", diff)
	}
}
