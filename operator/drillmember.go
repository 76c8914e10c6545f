package operator

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/quorum"
)

// identity makes a CA, a server's certificate for the member, and the client that may ask it.
func (d *drill) identity() (*tls.Config, error) {
	now := d.session.Now()
	store, err := pki.Open(d.scratch.path("ca"), pki.Options{})
	if err != nil {
		return nil, err
	}
	spec := pki.Spec{Algorithm: "ecdsa-p256", CALifetime: 2 * ownLifetime}
	ca, err := store.Create(pki.RoleClient, drillName, spec, now, rand.Reader)
	if err != nil {
		return nil, err
	}
	server, err := store.Issue(pki.Leaf{Kind: "server", OU: drillName, DNS: []string{drillName}, Lifetime: ownLifetime},
		now, rand.Reader)
	if err != nil {
		return nil, err
	}
	client, err := d.session.mintOf(store, 0, now)
	if err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{"server.pem": server.Cert, "server.key": server.Key, "ca.pem": ca.PEM} {
		if err := os.WriteFile(d.scratch.path(name), data, 0o600); err != nil {
			return nil, err
		}
	}
	pair, err := client.TLS()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}

// serve starts a member on the restored data, and asks it.
func (d *drill) serve(ctx context.Context, etcd string) (Drilled, error) {
	config, err := d.identity()
	if err != nil {
		return Drilled{}, err
	}
	cmd, said := d.command("etcd", "--name="+drillName, "--data-dir=data", "--log-level=warn",
		"--listen-client-urls=unixs://"+drillSocket, "--advertise-client-urls=unixs://"+drillSocket,
		"--listen-peer-urls="+drillPeer, "--initial-advertise-peer-urls="+drillPeer,
		"--initial-cluster="+drillName+"="+drillPeer, "--initial-cluster-token="+drillName,
		"--cert-file=server.pem", "--key-file=server.key", "--trusted-ca-file=ca.pem", "--client-cert-auth",
		"--enable-grpc-gateway=false", "--unsafe-no-fsync", "--heartbeat-interval=20", "--election-timeout=200")
	ended, err := child(cmd)
	if err != nil {
		return Drilled{}, fmt.Errorf("start etcd on it: %w", err)
	}
	dial := func(context.Context, string) (net.Conn, error) { return dialIn(d.scratch.dir, drillSocket) }
	member := quorum.New(quorum.Config{TLS: config, Timeout: maxAnswer, Dial: dial})
	ctx, cancel := context.WithCancelCause(ctx)
	gone := make(chan struct{})
	go func() {
		cancel(fmt.Errorf("etcd ended: %w", said.explain(<-ended)))
		close(gone)
	}()
	defer func() {
		_ = member.Close() // the member goes anyway
		_ = cmd.Process.Kill()
		<-gone
	}()
	found, err := d.ask(ctx, member)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	found.Etcd = etcd
	return found, err
}

// maxAnswer is how long a restored member may take to count its keys.
const maxAnswer = time.Minute
