package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/release"
)

// operatorDir is the operator directory as package apply changes it.
type operatorDir struct{ session *Session }

func (o operatorDir) CreateCA(_ context.Context, role string) error {
	s := o.session
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the operator directory: %w", err)
	}
	store, err := s.OpenStore()
	if err != nil {
		return err
	}
	spec := pki.Spec{Algorithm: s.Cluster.PKI.Algorithm, CALifetime: s.Cluster.PKI.CALifetime}
	_, err = store.Create(pki.Role(role), s.Cluster.Name, spec, s.Now(), rand.Reader)
	return err
}

func (o operatorDir) TryCA(_ context.Context, role string) (unfit string, err error) {
	store, err := o.session.Store()
	if err != nil {
		return "", err
	}
	switch err := store.Try(pki.Role(role), o.session.Now(), rand.Reader); {
	case errors.Is(err, pki.ErrUnfit):
		return err.Error(), nil
	case err != nil:
		return "", fmt.Errorf("try the %s CA: %w", role, err)
	}
	return "", nil
}

func (o operatorDir) CreateTokenKey(context.Context) error {
	s := o.session
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the operator directory: %w", err)
	}
	store, err := s.OpenStore()
	if err != nil {
		return err
	}
	return store.CreateTokenKey(rand.Reader)
}

func (o operatorDir) TokenKey(_ context.Context, generation int) ([]byte, error) {
	store, err := o.session.Store()
	if err != nil {
		return nil, err
	}
	return store.TokenKey(generation)
}

func (o operatorDir) RetireCA(_ context.Context, role string, generation int) error {
	store, err := o.session.OpenStore()
	if err != nil {
		return err
	}
	return store.Retire(pki.Role(role), generation)
}

func (o operatorDir) HoldRotation(_ context.Context, role, phase string) error {
	store, err := o.session.OpenStore()
	if err != nil {
		return err
	}
	return store.Hold(pki.Role(role), phase)
}

func (o operatorDir) RevokeClient(_ context.Context, serial string) error {
	store, err := o.session.OpenStore()
	if err != nil {
		return err
	}
	_, err = store.Revoke(serial, o.session.Now())
	return err
}

func (o operatorDir) RevokeLeaf(_ context.Context, leaf facts.Recorded) error {
	store, err := o.session.OpenStore()
	if err != nil {
		return err
	}
	return store.RevokeMember(leaf.Role, leaf.Member, leaf.Serial, o.session.Now())
}

func (o operatorDir) ListRevoked(_ context.Context, role string) error {
	store, err := o.session.Store()
	if err != nil {
		return err
	}
	_, err = store.CRL(pki.Role(role), o.session.Now(), rand.Reader)
	return err
}

func (o operatorDir) PinRelease(_ context.Context, r plan.Release) error {
	file := o.session.lockFile()
	lock, err := release.ReadLock(file)
	if err != nil {
		return err
	}
	lock[r.Pin()] = r.SHA256
	if err := os.MkdirAll(o.session.dir, 0o700); err != nil {
		return fmt.Errorf("make the operator directory: %w", err)
	}
	return lock.Write(file)
}

func (o operatorDir) Issue(
	_ context.Context, member string, leaf plan.Leaf,
) (cert, key []byte, serial string, err error) {
	store, err := o.session.Store()
	if err != nil {
		return nil, nil, "", err
	}
	wanted := pki.Leaf{
		Generation: leaf.Generation, Kind: leaf.Role, CN: leaf.CN, OU: leaf.OU,
		Lifetime: leaf.Lifetime, Algorithm: leaf.Algorithm,
	}
	for _, name := range leaf.Names {
		if ip := net.ParseIP(name); ip != nil {
			wanted.IPs = append(wanted.IPs, ip)
		} else {
			wanted.DNS = append(wanted.DNS, name)
		}
	}
	pair, err := store.IssueMember(member, wanted, o.session.Now(), rand.Reader)
	if err != nil {
		return nil, nil, "", err
	}
	return pair.Cert, pair.Key, pair.Serial, nil
}

func (o operatorDir) Archive(ctx context.Context, r plan.Release) (apply.Archive, error) {
	archive, err := o.session.release(ctx, r.Version, r.Arch, nil)
	if err != nil {
		return apply.Archive{}, err
	}
	open := func() (io.ReadCloser, error) { return archive.Open() }
	sent := apply.Archive{Input: apply.Input{Size: archive.Size, Open: open}, Folder: archive.Folder}
	for _, binary := range archive.Binaries {
		sent.Unpacked += binary.Size
	}
	return sent, nil
}

// Run is a run that does what is wanted. It changes hosts only while the cluster's lock is held on them.
func (s *Session) Run(w etcd.Want, id string) *apply.Run {
	hosts := map[string]apply.Host{}
	for name, host := range s.hosts {
		hosts[name] = guarded{shell{host}, name, &s.holding}
	}
	return &apply.Run{
		Want: w, Gather: s.Look, Hosts: hosts, Operator: operatorDir{s}, Etcd: s.Etcd, Now: s.Now, ID: id,
		Stop: s.options.Stop,
	}
}

// Unpack puts one program of the wanted release for this machine, such as etcdctl, into a new file. It is an error if
// the file exists. The release is downloaded if need be.
func (s *Session) Unpack(ctx context.Context, program, to string) error {
	lock, err := release.ReadLock(s.lockFile())
	if err != nil {
		return err
	}
	archive, err := s.release(ctx, s.Cluster.Version, runtime.GOARCH, lock)
	if err != nil {
		return err
	}
	if archive == nil {
		return fmt.Errorf("run %s: etcd is not released for %s", program, runtime.GOARCH)
	}
	return unpack(archive, program, to)
}

// unpack puts one program of a release into a new file.
func unpack(archive *release.Archive, program, to string) error {
	binary, err := archive.Binary(program)
	if err != nil {
		return err
	}
	defer func() { _ = binary.Close() }()                                  // it was only read
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700) //nolint:gosec // a program has to be executable
	if err != nil {
		return fmt.Errorf("unpack %s: %w", program, err)
	}
	if _, err := io.Copy(file, binary); err != nil {
		_ = file.Close() // the copy's error is the one to tell
		return fmt.Errorf("unpack %s: %w", program, err)
	}
	return file.Close()
}
