package quorum

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// fake is a member in this process. It serves what a test has set and refuses everything else as unimplemented, as gRPC
// does.
type fake struct {
	pb.UnimplementedKVServer
	pb.UnimplementedClusterServer
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedWatchServer

	addr string

	mu       sync.Mutex
	store    map[string]string // nil: no key-value service
	status   *pb.StatusResponse
	members  *pb.MemberListResponse
	versions map[string]string
	metrics  func(http.ResponseWriter)
	moved    []uint64
	updates  int                // of members
	changes  []string           // of the member list, but updates
	revision int64              // in every header of the key-value service
	hashes   map[int64]fakeHash // by revision
	told     []string           // of a downgrade
	snapshot func(send func(blob []byte) error) error
	watch    func(pb.Watch_WatchServer) error
	upkeep   []string                    // what was asked to keep the store small, and of alarms
	pages    []int64                     // limits of pages of the store that were asked for; -1: a count
	unread   func(*pb.RangeRequest) bool // pages that it does not give
	fail     map[string]error            // by method: "Put", "Range", …
	amiss    map[string]error            // by method: what it says although it was done
	hang     map[string]bool             // by method: no answer until the call is given up
	hanging  chan struct{}               // if set, told of each such call
	lie      func(put string) string
	noLeader bool
	auth     *fakeAuth // nil: no users and roles
}

// serve starts the fake on loopback, the way etcd does with TLS: one port, one HTTP/2 server, gRPC and plain requests
// told apart by content type. Without TLS it is gRPC alone. It ends with the test.
func (f *fake) serve(t *testing.T, conf *tls.Config) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	g := grpc.NewServer(grpc.UnaryInterceptor(f.intercept))
	pb.RegisterKVServer(g, f)
	pb.RegisterClusterServer(g, f)
	pb.RegisterMaintenanceServer(g, f)
	pb.RegisterWatchServer(g, f)
	if f.auth != nil {
		pb.RegisterAuthServer(g, f.auth)
	}
	if conf == nil {
		go func() { _ = g.Serve(ln) }()
		t.Cleanup(g.Stop)
		return f
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", f.version)
	if f.metrics != nil {
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { f.metrics(w) })
	}
	srv := &http.Server{
		TLSConfig: conf,
		ErrorLog:  quietLog(),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
				g.ServeHTTP(w, r)
				return
			}
			mux.ServeHTTP(w, r)
		}),
	}
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { _ = srv.Close(); g.Stop() })
	return f
}

func (f *fake) version(w http.ResponseWriter, _ *http.Request) {
	if f.versions == nil {
		http.NotFound(w, nil)
		return
	}
	_ = json.NewEncoder(w).Encode(f.versions)
}

// intercept does what etcd's own interceptor does, and the faults that a test asked for.
func (f *fake) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo,
	handle grpc.UnaryHandler,
) (any, error) {
	method := info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:]
	f.mu.Lock()
	err, hang, noLeader := f.fail[method], f.hang[method], f.noLeader
	f.mu.Unlock()
	if hang {
		if f.hanging != nil {
			f.hanging <- struct{}{}
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if md, _ := metadata.FromIncomingContext(ctx); noLeader && len(md.Get(rpctypes.MetadataRequireLeaderKey)) > 0 {
		return nil, rpctypes.ErrGRPCNoLeader
	}
	resp, err := handle(ctx, req)
	if amiss := f.amiss[method]; amiss != nil && err == nil {
		return nil, amiss
	}
	return resp, err
}

func (f *fake) Status(ctx context.Context, r *pb.StatusRequest) (*pb.StatusResponse, error) {
	if f.status == nil {
		return f.UnimplementedMaintenanceServer.Status(ctx, r)
	}
	return f.status, nil
}

func (f *fake) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	if f.members == nil {
		return f.UnimplementedClusterServer.MemberList(ctx, r)
	}
	if r.Linearizable && f.noLeader {
		return nil, rpctypes.ErrGRPCTimeout
	}
	return f.members, nil
}

// MemberUpdate takes any URLs, as etcd does.
func (f *fake) MemberUpdate(_ context.Context, r *pb.MemberUpdateRequest) (*pb.MemberUpdateResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates++
	for _, m := range f.members.Members {
		if m.ID == r.ID {
			m.PeerURLs = r.PeerURLs
			return &pb.MemberUpdateResponse{Header: &pb.ResponseHeader{}, Members: f.members.Members}, nil
		}
	}
	return nil, rpctypes.ErrGRPCMemberNotFound
}

// MemberAdd has at most one learner, as etcd has by default.
func (f *fake) MemberAdd(_ context.Context, r *pb.MemberAddRequest) (*pb.MemberAddResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, fmt.Sprintf("add %q, learner %t", r.PeerURLs, r.IsLearner))
	for _, m := range f.members.Members {
		if slices.ContainsFunc(m.PeerURLs, func(url string) bool { return slices.Contains(r.PeerURLs, url) }) {
			return nil, rpctypes.ErrGRPCPeerURLExist
		}
		if m.IsLearner {
			return nil, rpctypes.ErrGRPCTooManyLearners
		}
	}
	f.members.Members = append(f.members.Members, &pb.Member{ID: 0xa9, PeerURLs: r.PeerURLs, IsLearner: r.IsLearner})
	return &pb.MemberAddResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) MemberPromote(_ context.Context, r *pb.MemberPromoteRequest) (*pb.MemberPromoteResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, fmt.Sprintf("promote %x", r.ID))
	for _, m := range f.members.Members {
		if m.ID == r.ID {
			m.IsLearner = false
			return &pb.MemberPromoteResponse{Header: &pb.ResponseHeader{}}, nil
		}
	}
	return nil, rpctypes.ErrGRPCMemberNotFound
}

func (f *fake) MemberRemove(_ context.Context, r *pb.MemberRemoveRequest) (*pb.MemberRemoveResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, fmt.Sprintf("remove %x", r.ID))
	f.members.Members = slices.DeleteFunc(f.members.Members, func(m *pb.Member) bool { return m.ID == r.ID })
	return &pb.MemberRemoveResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) MoveLeader(_ context.Context, r *pb.MoveLeaderRequest) (*pb.MoveLeaderResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = append(f.moved, r.TargetID)
	return &pb.MoveLeaderResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) Downgrade(_ context.Context, r *pb.DowngradeRequest) (*pb.DowngradeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, r.Action.String()+" "+r.Version)
	return &pb.DowngradeResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) HashKV(_ context.Context, r *pb.HashKVRequest) (*pb.HashKVResponse, error) {
	at := r.Revision
	if at == 0 {
		at = f.status.Header.Revision
	}
	sum, ok := f.hashes[at]
	if !ok {
		return nil, rpctypes.ErrGRPCFutureRev
	}
	header := &pb.ResponseHeader{Revision: f.status.Header.Revision}
	return &pb.HashKVResponse{Header: header, Hash: sum.sum, CompactRevision: sum.compacted}, nil
}

func (f *fake) Snapshot(r *pb.SnapshotRequest, s pb.Maintenance_SnapshotServer) error {
	if f.snapshot == nil {
		return f.UnimplementedMaintenanceServer.Snapshot(r, s)
	}
	err := f.snapshot(func(blob []byte) error { return s.Send(&pb.SnapshotResponse{Blob: blob}) })
	if errors.Is(err, errSilent) {
		<-s.Context().Done()
	}
	return err
}

func (f *fake) Watch(s pb.Watch_WatchServer) error {
	if f.watch == nil {
		return f.UnimplementedWatchServer.Watch(s)
	}
	return f.watch(s)
}

// errSilent makes a snapshot stop without an end.
var errSilent = errors.New("silent")

type fakeHash struct {
	sum       uint32
	compacted int64
}

func (f *fake) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		return f.UnimplementedKVServer.Put(ctx, r)
	}
	value := string(r.Value)
	if f.lie != nil {
		value = f.lie(value)
	}
	f.store[string(r.Key)] = value
	return &pb.PutResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store != nil && r.Serializable && len(r.RangeEnd) > 0 {
		if f.unread != nil && f.unread(r) {
			return nil, status.Error(codes.ResourceExhausted, "too large")
		}
		return f.page(r), nil
	}
	if f.store == nil || r.Serializable || len(r.RangeEnd) > 0 {
		return f.UnimplementedKVServer.Range(ctx, r)
	}
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: f.revision}}
	if v, ok := f.store[string(r.Key)]; ok {
		resp.Count = 1
		if !r.CountOnly {
			resp.Kvs = []*mvccpb.KeyValue{{Key: r.Key, Value: []byte(v)}}
		}
	}
	return resp, nil
}

// Txn does what a transaction without conditions says.
func (f *fake) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if f.store == nil || len(r.Compare) > 0 {
		return f.UnimplementedKVServer.Txn(ctx, r)
	}
	for _, op := range r.Success {
		if gone := op.GetRequestDeleteRange(); gone != nil {
			f.mu.Lock()
			maps.DeleteFunc(f.store, func(key, _ string) bool { return key >= string(gone.Key) && key < string(gone.RangeEnd) })
			f.mu.Unlock()
			continue
		}
		if _, err := f.Put(ctx, op.GetRequestPut()); err != nil {
			return nil, err
		}
	}
	return &pb.TxnResponse{Header: &pb.ResponseHeader{}, Succeeded: true}, nil
}

func (f *fake) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil || len(r.RangeEnd) > 0 {
		return f.UnimplementedKVServer.DeleteRange(ctx, r)
	}
	delete(f.store, string(r.Key))
	return &pb.DeleteRangeResponse{Header: &pb.ResponseHeader{}}, nil
}

// page is a part of the store, in the order of its keys.
func (f *fake) page(r *pb.RangeRequest) *pb.RangeResponse {
	limit := r.Limit
	if r.CountOnly {
		limit = -1
	}
	f.pages = append(f.pages, limit)
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{}}
	for _, key := range slices.Sorted(maps.Keys(f.store)) {
		if key < string(r.Key) || string(r.RangeEnd) != "\x00" && key >= string(r.RangeEnd) {
			continue
		}
		if resp.Count++; r.CountOnly || int64(len(resp.Kvs)) == r.Limit {
			resp.More = !r.CountOnly
			continue
		}
		resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(key), Value: []byte(f.store[key])})
	}
	return resp
}

func (f *fake) Defragment(context.Context, *pb.DefragmentRequest) (*pb.DefragmentResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upkeep = append(f.upkeep, "defragment")
	return &pb.DefragmentResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) Compact(_ context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upkeep = append(f.upkeep, fmt.Sprintf("compact %d, physical %t", r.Revision, r.Physical))
	return &pb.CompactionResponse{Header: &pb.ResponseHeader{}}, nil
}

func (f *fake) Alarm(_ context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upkeep = append(f.upkeep, fmt.Sprintf("%s %s of %x", r.Action, r.Alarm, r.MemberID))
	return &pb.AlarmResponse{Header: &pb.ResponseHeader{}}, nil
}
