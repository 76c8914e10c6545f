package quorum

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
)

// gRPC logs to stderr, which belongs to the command's own progress. Its logger can only be set before first use.
func init() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
}

const (
	// Pings go out only while a call is under way. etcd cuts off a client that pings more often than every 5 s
	// (--grpc-keepalive-min-time), and gRPC itself allows nothing below 10 s.
	keepAliveTime    = 10 * time.Second
	keepAliveTimeout = 5 * time.Second
)

// address is what an endpoint URL says.
type address struct {
	https    bool
	host     string // without brackets: the name that the member's certificate must carry
	hostPort string
}

func parseEndpoint(endpoint string) (address, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return address{}, fmt.Errorf("parse endpoint: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return address{}, fmt.Errorf("parse endpoint %q: want http:// or https://", endpoint)
	case u.Hostname() == "" || u.Port() == "":
		return address{}, fmt.Errorf("parse endpoint %q: want a host and a port", endpoint)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return address{}, fmt.Errorf("parse endpoint %q: want nothing but scheme, host and port", endpoint)
	}
	return address{
		https:    u.Scheme == "https",
		host:     u.Hostname(),
		hostPort: net.JoinHostPort(u.Hostname(), u.Port()),
	}, nil
}

// open prepares the clients of one endpoint. Neither of them dials before its first call.
func open(endpoint string, cfg Config) (*conn, error) {
	addr, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if addr.https && cfg.TLS == nil {
		return nil, fmt.Errorf("open %s: https needs a client certificate and roots, and there are none", endpoint)
	}

	creds := insecure.NewCredentials()
	var tlsConfig *tls.Config
	if addr.https {
		tlsConfig = cfg.TLS.Clone()
		tlsConfig.ServerName = addr.host
		creds = credentials.NewTLS(tlsConfig)
	}

	l := &link{}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{endpoint},
		Logger:               zap.NewNop(),
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		MaxUnaryRetries:      1, // attempts, in spite of the name
		DialOptions:          dialOptions(addr, cfg, l, creds),
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", endpoint, err)
	}
	web := &link{}
	return &conn{
		endpoint: endpoint,
		client:   client, link: l,
		http: httpClient(addr, cfg, web, tlsConfig), httpLink: web,
	}, nil
}

func dialOptions(addr address, cfg Config, l *link, creds credentials.TransportCredentials) []grpc.DialOption {
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		return l.dial(ctx, func(ctx context.Context) (net.Conn, error) { return cfg.Dial(ctx, addr.hostPort) })
	}
	return []grpc.DialOption{
		grpc.WithContextDialer(dial),
		grpc.WithNoProxy(),
		grpc.WithTransportCredentials(&watchedCreds{TransportCredentials: creds, link: l}),
		// Longer than the Timeout of a call, so that the call ends first and says what it waited for.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: 2 * cfg.Timeout}),
		// etcd's client asks gRPC to wait for a connection until the deadline. Here a dead endpoint is an answer, at
		// once.
		grpc.WithChainUnaryInterceptor(failFast),
	}
}

func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker,
	opts ...grpc.CallOption,
) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

// httpClient speaks to the same port for what etcd says over HTTP only. It agrees on no protocol in the handshake,
// which to etcd means HTTP/1.1, so that it can watch its own connection. It follows no redirect: that would be another
// member.
func httpClient(addr address, cfg Config, l *link, tlsConfig *tls.Config) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return l.dial(ctx, func(ctx context.Context) (net.Conn, error) { return cfg.Dial(ctx, addr.hostPort) })
	}
	dialTLS := func(ctx context.Context, network, host string) (net.Conn, error) {
		raw, err := dial(ctx, network, host)
		if err != nil {
			return nil, err
		}
		return l.handshake(func() (net.Conn, error) {
			secured := tls.Client(raw, tlsConfig)
			if err := secured.HandshakeContext(ctx); err != nil {
				raw.Close()
				return nil, err
			}
			return secured, nil
		})
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, DialTLSContext: dialTLS, MaxIdleConns: 1,
			IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
