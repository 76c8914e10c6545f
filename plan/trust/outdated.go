package trust

import (
	"crypto/x509"
	"fmt"
	"path"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Outdated refuses an operator directory that is older than what was done to the hosts, such as one out of a backup, or
// that is another operator's. A CA that it does not know has signed certificates that nobody here can see, and a
// revocation that it does not know would be undone.
func (s State) Outdated(name string, host facts.Host) []plan.Refusal {
	if s.accepts(plan.ForeignCluster) {
		return nil
	}
	remedy := fmt.Sprintf(
		"run it with the operator directory as it was last: %s, above all its ca/; if that is lost for good, --accept=foreign-ca ",
		path.Join(".clusterup", s.Cluster))
	var found []plan.Refusal
	ours := s.ours()
	for _, role := range Roles {
		file := units.Flag(s.Command(host), BundleFlag[role])
		content := host.Files[file].Content
		sums := facts.Certificates(content)
		strange := slices.ContainsFunc(sums, func(sum string) bool { return !ours[sum] })
		known := slices.ContainsFunc(sums, func(sum string) bool { return ours[sum] }) // else see Foreign
		if strange && known && s.Written(file, role, content) {
			found = append(found, plan.Refuse(plan.ForeignCA, name,
				remedy+"drops that CA: whoever has a certificate of it is refused then",
				"trusts a %s CA that is not in this operator directory, beside one that is", role))
		}
	}
	for _, role := range Roles {
		if n := s.forgotten(role, host); n > 0 {
			found = append(found, plan.Refuse(plan.ForeignCA, name, remedy+"lets them in again",
				"refuses %s that this operator directory does not know to be revoked", plan.Count(n, role+" certificate")))
		}
	}
	return found
}

// ours are the SHA-256 of the CAs of the operator directory, and of what has to be trusted for them.
func (s State) ours() map[string]bool {
	ours := map[string]bool{}
	for _, ca := range s.Seen.Operator.CAs {
		ours[ca.SHA256] = true
		for _, sum := range facts.Certificates(ca.Trusted()) {
			ours[sum] = true
		}
	}
	return ours
}

// forgotten is how many certificates are on a host's list of a role that are not revoked as far as the operator
// directory knows.
func (s State) forgotten(role string, host facts.Host) int {
	content := host.Files[s.Revoked(role).Path].Content
	if len(content) == 0 {
		return 0
	}
	revoked := map[string]bool{}
	for _, serial := range serials(s.Seen.Operator.Revoked[role].List) {
		revoked[serial] = true
	}
	for _, r := range s.Seen.Operator.Leaves {
		if r.Revoked {
			revoked[r.Serial] = true
		}
	}
	for _, c := range s.Seen.Operator.Clients {
		if c.Revoked {
			revoked[c.Serial] = true
		}
	}
	n := 0
	for _, serial := range serials(content) {
		if !revoked[serial] {
			n++
		}
	}
	return n
}

// serials are the serial numbers on a list of revoked certificates, hexadecimal; none where it is damaged.
func serials(der []byte) []string {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil
	}
	var found []string
	for _, entry := range list.RevokedCertificateEntries {
		found = append(found, entry.SerialNumber.Text(16))
	}
	return found
}
