package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/clusterup/clusterup/facts"
)

// permit takes what most members that serve say of permissions, and has one of them tell users and roles, where these
// are wanted. That member may say anything, as it may do anything to the cluster; another one is asked if it fails.
func permit(ctx context.Context, s *facts.Snapshot, src Source) {
	if src.Etcd == nil {
		return
	}
	why := askPermissions(ctx, s, src)
	told := answered(s, func(h facts.Host) bool {
		return h.Auth != nil && !h.Etcd.Learner && h.Etcd.ClusterID == s.Cluster
	})
	switch shut := shutOut(s); {
	case len(told) > 0:
		told = most(told, func(h facts.Host) string { return fmt.Sprintf("%+v", *h.Auth) })
		s.Auth = &facts.Auth{AuthState: *told[0].Auth}
	case shut != nil:
		s.Auth = &facts.Auth{AuthState: *shut}
	case why != nil:
		s.AuthError = why.Error()
	}
	if len(told) == 0 || s.Auth.Denied || !src.Auth {
		return
	}
	if last := src.Last; last != nil && last.Cluster == s.Cluster && last.Auth != nil && last.Auth.Listed &&
		last.Auth.Revision == s.Auth.Revision && s.Auth.Revision != 0 {
		s.Auth.Listed, s.Auth.Users, s.Auth.Roles = true, last.Auth.Users, last.Auth.Roles
		return
	}
	for _, host := range told[:min(len(told), 2)] {
		users, roles, err := src.Etcd.Auth(ctx, host.Endpoint)
		if err == nil {
			s.Auth.Listed, s.Auth.Users, s.Auth.Roles, s.Auth.Error, s.Auth.TooMuch = true, users, roles, "", false
			return
		}
		s.Auth.Error, s.Auth.TooMuch = err.Error(), errors.Is(err, facts.ErrTooMuch)
	}
}

// askPermissions asks members again that came to serve only after they were asked. Its error is why one does not tell.
func askPermissions(ctx context.Context, s *facts.Snapshot, src Source) error {
	var untold []facts.Host
	for _, name := range s.Names() {
		if host := s.Hosts[name]; host.Reads && host.Auth == nil {
			untold = append(untold, host)
		}
	}
	errs := make([]error, len(untold))
	var wg sync.WaitGroup
	for i, host := range untold {
		wg.Go(func() {
			state, err := src.Etcd.AuthState(ctx, host.Endpoint, src.Auth)
			if errs[i] = err; err == nil {
				untold[i].Auth = &state
			}
		})
	}
	wg.Wait()
	for _, host := range untold {
		s.Hosts[host.Name] = host
	}
	return cmp.Or(errs...)
}

// shutOut is what members say of permissions that serve, and tell clusterup nothing else; nil: there are none.
func shutOut(s *facts.Snapshot) *facts.AuthState {
	for _, name := range s.Names() {
		if host := s.Hosts[name]; host.Denied && host.Auth != nil && host.Auth.Enabled {
			return host.Auth
		}
	}
	return nil
}
