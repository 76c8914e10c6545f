package etcd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// lockedOut says that members know clusterup as root by its certificate, and that root may not administer etcd.
func (v view) lockedOut() bool {
	return v.seen.Auth != nil && v.seen.Auth.Denied && v.Known(refusesRoot)
}

// refusesRoot says that a member asked for clusterup's certificate, and does not let it administer etcd.
func refusesRoot(_ inventory.Member, host facts.Host) bool {
	return asksForCertificates(host) && host.Auth != nil && host.Auth.Denied
}

// noRoot refuses where root may not administer etcd. etcd takes a client's certificate for the user of its common name,
// so whoever has the role root needs no password to give it back.
func (v view) noRoot() []plan.Refusal {
	var at string
	v.Each(func(m inventory.Member, _ facts.Host) { at = cmp.Or(at, ClientURL(v.want.Cluster, m)) })
	return plan.OneRefusal(plan.NoUser, "",
		"another user with the role root gives it back: for a block client \"NAME\" of its name, clusterup cert issue NAME "+
			"INVENTORY --out DIR makes a certificate; with that, etcdctl --endpoints "+at+" --cacert DIR/ca.pem --cert DIR/NAME.pem "+
			"--key DIR/NAME-key.pem user add root --no-password, and then user grant-role root root; where there is no other, "+
			"restore a snapshot of before",
		"etcd's permissions are on, and the user root, which clusterup is by its certificate, is not there or has not the "+
			"role root, so it cannot administer etcd")
}

// authRefusals keep anything from being done where permissions are on, and clusterup is not root there, or the
// inventory does not say what is to become of them. Without TLS it has no user at all; see noUser.
func (v view) authRefusals() []plan.Refusal {
	wanted, seen := v.want.Cluster.Auth, v.seen.Auth
	switch {
	case !v.want.Cluster.TLS.Clients:
	case wanted != nil && wanted.Enabled && (!v.formed || seen != nil && !seen.Enabled):
		return v.boundless()
	case seen == nil || !seen.Enabled:
	case v.lockedOut():
		return v.noRoot()
	case wanted == nil:
		return plan.OneRefusal(plan.Permissions, "",
			"put the block auth back, or write auth {}, which keeps the users and roles that there are; or have them switched "+
				"off, with auth { enabled = false } and --accept=no-auth",
			"etcd's permissions are on, and the inventory has no block auth")
	case !wanted.Enabled && !v.want.accepts(plan.NoAuth):
		return plan.OneRefusal(plan.NeedsConsent, "",
			"run again with --accept=no-auth; or take enabled = false out of the block auth",
			"the inventory switches etcd's permissions off, and every client could read and write everything then")
	}
	return nil
}

// authNotes say whom permissions would lock out, what the inventory has not, and what is not compared yet.
func (v view) authNotes() []string {
	wanted := v.want.Cluster.Auth
	switch {
	case wanted == nil && v.seen.Auth == nil && v.seen.AuthError != "":
		return []string{"it is not known whether etcd's permissions are on: " + v.seen.AuthError}
	case wanted == nil || !wanted.Enabled:
		return nil
	}
	found := slices.Concat(v.userless(), v.gatewayNotes(), v.lostTokenKeys(), v.strayNotes())
	if gaps := v.gaps(); gaps != "" {
		found = append(found, gaps)
	}
	return found
}

// userless are the clients of the inventory that may do nothing once permissions are on.
func (v view) userless() []string {
	var found []string
	for _, client := range v.want.Cluster.Clients {
		has := slices.ContainsFunc(v.wantedUsers(), func(u inventory.AuthUser) bool { return u.Name == client.User })
		if client.User != "" && !has {
			found = append(found, fmt.Sprintf(
				"the block auth has no user %q, which the client %q is by its certificate: etcd refuses it while permissions are on",
				client.User, client.Name))
		}
	}
	return found
}

// strayNotes say what there is that the inventory has not.
func (v view) strayNotes() []string {
	switch {
	case !v.formed:
		return nil
	case v.seen.Auth == nil && v.seen.Members == nil:
		return []string{"etcd's users and roles are compared with the inventory when the cluster serves"}
	case v.seen.Auth == nil || !v.seen.Auth.Listed || v.want.accepts(plan.DropGrants):
		return nil
	}
	var found []string
	if roles := v.observerRoles(); len(roles) > 0 {
		text, do := ObserverPower(roles)
		found = append(found, text+": "+do)
	}
	stray := v.stray()
	if len(stray) == 0 {
		return found
	}
	return append(found, fmt.Sprintf("etcd has what the block auth has not: %s; it stays, unless --accept=%s is given",
		some(stray, "; "), plan.DropGrants))
}
