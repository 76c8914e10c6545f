package look

import (
	"context"

	"github.com/clusterup/clusterup/facts"
)

// logIn has users try whether they can log in with the passwords that they are to have. Where that cannot be told, it
// is as if nobody had told users and roles.
func logIn(ctx context.Context, s *facts.Snapshot, src Source) {
	if src.Logins == nil || s.Auth == nil || !s.Auth.Listed || s.Auth.Denied {
		return
	}
	var endpoints []string
	for _, host := range answered(s, func(h facts.Host) bool {
		return h.Reads && !h.Etcd.Learner && h.Etcd.ClusterID == s.Cluster
	}) {
		endpoints = append(endpoints, host.Endpoint)
	}
	if len(endpoints) == 0 {
		return
	}
	logins, err := src.Logins(ctx, endpoints, *s.Auth)
	if err != nil {
		s.Auth.Listed, s.Auth.Users, s.Auth.Roles, s.Auth.Error = false, nil, nil, err.Error()
		return
	}
	s.Auth.Logins = logins
}
