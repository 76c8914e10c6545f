package etcd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"path"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

func realList(t *testing.T, serials ...int64) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: noon, NextUpdate: noon.AddDate(1, 0, 0)}
	for _, serial := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: noon})
	}
	ca := &x509.Certificate{KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// An operator directory that is older than what was done to the hosts undoes nothing by itself.
func TestAnOutdatedDirectory(t *testing.T) {
	w := wanted(t, 3)
	known, lost := realCA(t), realCA(t)
	runsWithBoth := func(h *facts.Host, asWritten bool) {
		bundle := units.Trust(ConfigDir(w.Cluster), "client", append(append([]byte(nil), known...), lost...))
		if !asWritten {
			bundle.Path = path.Join(path.Dir(bundle.Path), "trust-client-00000000.pem")
		}
		args := append([]string(nil), h.Process.Args...)
		for i, arg := range args {
			if strings.HasPrefix(arg, "--trusted-ca-file=") {
				args[i] = "--trusted-ca-file=" + bundle.Path
			}
		}
		process := *h.Process
		process.Args, h.Process = args, &process
		h.Files[bundle.Path] = facts.File{
			Kind: facts.Regular, Mode: bundle.Mode, Owner: bundle.Owner, Group: bundle.Group,
			Content: bundle.Data,
		}
	}
	lists := func(serials ...int64) func(*facts.Host) {
		return func(h *facts.Host) {
			file := h.Files[units.CRL(ConfigDir(w.Cluster), "client", nil).Path]
			file.Content = realList(t, serials...)
			h.Files[units.CRL(ConfigDir(w.Cluster), "client", nil).Path] = file
		}
	}
	for name, test := range map[string]struct {
		seen func(*facts.Host)
		says string // "" it goes on
	}{
		"a CA that is not known": {
			func(h *facts.Host) { runsWithBoth(h, true) },
			"trusts a client CA that is not in this operator directory",
		},
		"a bundle that was edited by hand":  {func(h *facts.Host) { runsWithBoth(h, false) }, ""},
		"a revocation that is not known":    {lists(7, 8), "refuses 1 client certificate that"},
		"an older list":                     {lists(), ""},
		"a list with what is revoked there": {lists(7), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := settled(t, w)
			for i, ca := range s.Operator.CAs {
				if ca.Role == "client" {
					s.Operator.CAs[i].Trust = known
				}
			}
			s.Operator.Clients = []facts.Client{
				{Name: "app", Serial: "7", Generation: 1, Revoked: true},
				{Name: "web", Serial: "8", Generation: 1},
			}
			s = change(s, "etcd-2", test.seen)
			_, err := Next(w, s)
			refused := new(plan.Refused)
			switch {
			case test.says == "" && err != nil:
				t.Errorf("got %v", err)
			case test.says != "" && (!errors.As(err, &refused) || !refused.Only(plan.ForeignCA) || len(refused.Refusals) != 1 ||
				!strings.Contains(err.Error(), "etcd-2: "+test.says)):
				t.Errorf("got %v", err)
			}
			accepting := w
			accepting.Accept = []plan.Risk{plan.ForeignCluster}
			if _, err := Next(accepting, s); err != nil {
				t.Errorf("accepted, and got %v", err)
			}
		})
	}
}
