package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/units"
)

// Host is one machine that steps run on. All methods are safe for concurrent use, block until done, and name the host
// in errors.
type Host interface {
	// Script runs a POSIX shell script as root and returns its stdout. A non-zero exit is an error.
	Script(ctx context.Context, script string) ([]byte, error)
	// Write does parts in their order, in one trip, and says how many are done and which one the error is of. Each file
	// appears whole, with its owner and mode, or not at all; only a new one is written in place, since nobody reads its
	// directory yet. If a file cannot be written, none of any part appears.
	Write(ctx context.Context, parts ...Part) (done, failed int, err error)
	// Feed is Script with an input that is streamed. A script that ends early ends the sending, and how it ends is
	// all that counts. progress may be nil.
	Feed(ctx context.Context, script string, input Input, progress func(done, total int64)) error
}

// Part is a part of what is written on a host.
type Part struct {
	Before string // a script, which runs before any file of any part is written; it exits where it fails, as with set -e
	Files  []units.File
	// a script, which runs when the part's files are on the disk, and before those of the next part are there
	Then string
}

// Input is what a script reads as its standard input: Size bytes. To have fewer is an error.
type Input struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// Archive is a release as it is sent.
type Archive struct {
	Input
	Folder   string // in the archive, which holds the binaries
	Unpacked int64  // bytes of the binaries
}

// Operator is the operator directory on the control machine.
type Operator interface {
	// TryCA has the CA that the inventory names for a role sign what members need, in memory, and says why that would
	// be of no use to them; "": it would be. A server is asked once.
	TryCA(ctx context.Context, role string) (unfit string, err error)
	CreateCA(ctx context.Context, role string) error
	RetireCA(ctx context.Context, role string, generation int) error
	// CreateTokenKey makes the next key for tokens, and TokenKey is that of a generation, in PEM.
	CreateTokenKey(ctx context.Context) error
	TokenKey(ctx context.Context, generation int) ([]byte, error)
	// HoldRotation has the rotation of a CA wait after a phase; "" lets it go on.
	HoldRotation(ctx context.Context, role, phase string) error
	// RevokeClient records that a client certificate is to be refused.
	RevokeClient(ctx context.Context, serial string) error
	// RevokeLeaf records that a certificate of a member is to be refused, be it recorded or not.
	RevokeLeaf(ctx context.Context, leaf facts.Recorded) error
	// ListRevoked signs the list of revoked certificates of a role's CA anew.
	ListRevoked(ctx context.Context, role string) error
	PinRelease(ctx context.Context, r plan.Release) error
	// Issue makes a key and certificate for a member in memory, and records the certificate; serial is in hexadecimal.
	Issue(ctx context.Context, member string, leaf plan.Leaf) (cert, key []byte, serial string, err error)
	// IssueClient makes a key and certificate for a client in memory, and records the certificate under its name.
	IssueClient(ctx context.Context, name string, leaf plan.Leaf) (cert, key []byte, serial string, err error)
	// Program is a program of clusterup's own, whose last bytes are given out only where it still has its digest.
	Program(ctx context.Context, p plan.Program) (Input, error)
	// Archive is the verified release archive.
	Archive(ctx context.Context, r plan.Release) (Archive, error)
	// SaveSnapshot puts a verified copy of the data of the member behind an endpoint, which is of a version of etcd,
	// into the directory.
	SaveSnapshot(ctx context.Context, endpoint, version string) error
	// Salvage puts a verified snapshot of what the endpoint on loopback of a member's host serves into the directory. It
	// is a copy of the member's data, made by the recovery of this token.
	Salvage(ctx context.Context, member, endpoint, token string) error
	// Snapshot is the snapshot of this digest, opened if it is sealed. Its last bytes are given out only where it still
	// has that digest.
	Snapshot(ctx context.Context, sha256 string) (Input, error)
}

// Etcd is the running cluster, member by member.
type Etcd interface {
	ReadLinearizable(ctx context.Context, endpoint string) error
	// Canary writes, reads and deletes a key through one member.
	Canary(ctx context.Context, endpoint, key, value string) error
	Status(ctx context.Context, endpoint string) (facts.Status, error)
	// ClusterVersion is the version that the members have agreed on, "3.6.0"; empty: none yet.
	ClusterVersion(ctx context.Context, endpoint string) (string, error)
	// MoveLeader hands leadership from the member behind the endpoint, which must lead, to another.
	MoveLeader(ctx context.Context, endpoint string, to facts.ID) error
	// UpdateMember makes a member known with other peer URLs, through the one behind the endpoint.
	UpdateMember(ctx context.Context, endpoint string, id facts.ID, peerURLs []string) error
	// AddLearner has a member at these peer URLs join without a vote, PromoteMember gives it one, and RemoveMember takes
	// a member out of the list, each through the one behind the endpoint. What is so already is no error. Worth another
	// try when the members are not all connected for long enough, and when a learner is behind.
	AddLearner(ctx context.Context, endpoint string, peerURLs []string) error
	PromoteMember(ctx context.Context, endpoint string, id facts.ID) error
	RemoveMember(ctx context.Context, endpoint string, id facts.ID) error
	// Downgrade lets members of a minor version, "3.5", join and start; "" takes that back.
	Downgrade(ctx context.Context, endpoint, minor string) error
	// Revision is the store's, by a linearizable read. Hash is that of all its keys up to a revision; two hashes
	// compare where both stores were compacted to the same revision.
	Revision(ctx context.Context, endpoint string) (int64, error)
	Hash(ctx context.Context, endpoint string, revision int64) (sum uint32, compacted int64, err error)
	// Defragment has a member give the free room in its database back, and Compact drops the history before a revision.
	// Both block until that is done, however long it takes.
	Defragment(ctx context.Context, endpoint string) error
	Compact(ctx context.Context, endpoint string, revision int64) error
	// Disarm ends an alarm; one that is not raised is no error.
	Disarm(ctx context.Context, endpoint string, alarm facts.Alarm) error
	// AuthState is whether permissions are on, and RolesOf the roles of a user; nil where there is none of the name.
	AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error)
	RolesOf(ctx context.Context, endpoint, user string) ([]string, error)
	// PutRole and PutUser make a role or user where there is none of the name; they add permissions or roles, and take
	// others away. A new user gets the password of its source, or none. SetPassword gives it to one that there was, with
	// the roles that it had, which may be gone after an error. Like all changes of users and roles, they may be done
	// twice.
	PutRole(ctx context.Context, endpoint string, role facts.Role, revoke []facts.Permission) error
	PutUser(ctx context.Context, endpoint string, user facts.User, revoke []string, password bool) error
	SetPassword(ctx context.Context, endpoint string, user facts.User) error
	DropRole(ctx context.Context, endpoint, name string) error
	DropUser(ctx context.Context, endpoint, name string) error
	// EnableAuth switches permissions on, which etcd refuses without a user root with the role root, and DisableAuth off.
	EnableAuth(ctx context.Context, endpoint string) error
	DisableAuth(ctx context.Context, endpoint string) error
	// Pool is what the keys of a balancer say. ChangePool changes them in one transaction; false: they are not as they
	// were read any more, and nothing was changed.
	Pool(ctx context.Context, endpoint, balancer string) (pool.Wanted, error)
	ChangePool(ctx context.Context, endpoint string, change pool.Change) (bool, error)
}

// Run is one application of what is wanted. Want, Gather, Hosts, Operator, Etcd and Now are needed.
type Run struct {
	Want etcd.Want
	// Gather looks. last is the last look, where it is known what was changed since then; nil: all may have been.
	Gather   func(ctx context.Context, last *Last) (facts.Snapshot, error)
	Hosts    map[string]Host // by the name of the member or node
	Operator Operator
	Etcd     Etcd
	Now      func() time.Time
	ID       string          // names this run, in canary keys
	Emit     func(Event)     // nil: nobody listens; called from many goroutines
	Stop     <-chan struct{} // closed: stop at the next safe point; nil: never
	Timeout  time.Duration   // for a member to become ready; 0: 90 s

	// Next decides; nil: etcd.Next. With another one nothing is verified in the end, unless Verifies says so, since
	// there may be no cluster any more.
	Next     func(etcd.Want, facts.Snapshot) (*plan.Stage, error)
	Verifies bool
	// Then decides where nothing is left to do for the cluster; nil: nobody does.
	Then plan.Rules

	// what failed on nodes of balancers, which are left out then; nil: nothing
	nodesFailed *StageError
	swapped     atomic.Bool // a member runs another version of etcd than before
	kept        []string    // hosts of which the last look kept what one before it had seen
	serving     serving

	// Seam is called right before and right after every look, every step and every action of a step on a host, with
	// "before NAME" and "after NAME". Its error counts as one of that look, step or action. Nil outside tests of
	// faults.
	Seam func(point string) error
	// Apart says whether what would go to a host as one is to be split at a point, so that a fault hits it in between.
	// Nil outside tests of faults.
	Apart func(point string) bool
}

// Last is what a run saw last, and the hosts on which it has done something since; none: in the operator directory
// alone.
type Last struct {
	Seen    facts.Snapshot
	Touched []string
}

// Result says what a run did.
type Result struct {
	Steps      int
	Stages     int
	Unfinished string         // the last stage, where hosts went dark in the middle of it; empty: it was finished
	Snapshot   facts.Snapshot // the last look
}

// Converge runs stages until Next says nothing, and verifies. While hosts are dark it does what can be done without
// them, and verifies the others. It can be stopped, cancelled or killed anywhere; calling it again goes on. Errors are
// *plan.Refused, *DarkError, *StageError, *Stopped, *VerifyError or the context's.
func (r *Run) Converge(ctx context.Context) (Result, error) {
	var result Result
	var last *plan.Stage
	for looked := false; ; {
		if !looked {
			if err := r.lookNext(ctx, last, &result); err != nil {
				return result, err
			}
		}
		stage, err := r.next(result.Snapshot)
		if err != nil {
			return result, r.ended(ctx, result, err)
		}
		stale := r.stale(stage)
		switch {
		case stage == nil && len(r.kept) > 0: // facts that were kept may decide a stage, but not that there is none
			last, looked = nil, false
			continue
		case stage == nil:
			return result, r.verified(ctx, result)
		case len(stale) > 0:
			if err := r.lookAt(ctx, stale, &result); err != nil {
				return result, err
			}
			looked = true
			continue
		}
		if last != nil && reflect.DeepEqual(last, stage) || result.Stages > etcd.MostStages(r.Want) {
			return result, &StageError{
				Stage: *stage,
				Errs:  []error{fmt.Errorf("%w: the same steps are wanted again", ErrNoEffect)},
			}
		}
		if result.Stages == 0 {
			if err := r.tryCAs(ctx, result.Snapshot); err != nil {
				return result, err
			}
		}
		done, err := r.stage(ctx, *stage)
		result.Steps += done
		result.Stages++
		last, looked, result.Unfinished = stage, err != nil, ""
		if err != nil {
			if err := r.failed(ctx, &result, *stage, err); err != nil {
				return result, err
			}
			last, result.Unfinished = nil, stage.Name // it is decided anew, without the hosts that have gone dark
		}
	}
}

// stale are hosts whose process a stage stops or starts, and of which the last look kept what one before it had seen:
// what their members would come to run with has to be known as it is now.
func (r *Run) stale(stage *plan.Stage) []string {
	if stage == nil {
		return nil
	}
	var hosts []string
	for _, step := range stage.Steps {
		if t := step.Kind.Traits(); (t.Disturbs || t.Starts) && slices.Contains(r.kept, step.Host) &&
			!slices.Contains(hosts, step.Host) {
			hosts = append(hosts, step.Host)
		}
	}
	return hosts
}

// lookAt looks at some hosts again, before something is done there.
func (r *Run) lookAt(ctx context.Context, hosts []string, result *Result) error {
	kept := slices.DeleteFunc(slices.Clone(r.kept), func(host string) bool { return slices.Contains(hosts, host) })
	err := r.lookSince(ctx, &Last{Seen: result.Snapshot, Touched: hosts}, result)
	r.kept = kept
	return err
}

// verified is how a run ends that has nothing left to do.
func (r *Run) verified(ctx context.Context, result Result) error {
	if r.Next != nil && !r.Verifies {
		return nil
	}
	return r.verify(ctx, result)
}

// lookNext looks before the next stage. Files on hosts that the last stage did not touch are taken from the look
// before: under the lock no other run changes them, and a change by hand may come after any look. How their members do
// is asked anew each time, and once more before a process is stopped. Nothing is called done before every host was
// looked at again.
func (r *Run) lookNext(ctx context.Context, stage *plan.Stage, result *Result) error {
	var last *Last
	if stage != nil {
		last = &Last{Seen: result.Snapshot}
		for _, step := range stage.Steps {
			if step.Kind.Traits().Where != plan.Directory {
				last.Touched = append(last.Touched, step.Host)
			}
		}
	}
	return r.lookSince(ctx, last, result)
}

func (r *Run) lookSince(ctx context.Context, last *Last, result *Result) error {
	seen, err := r.look(ctx, last)
	if r.stopping() && ctx.Err() == nil {
		err = &Stopped{Done: result.Steps, Next: "looking at the hosts"}
	}
	if err == nil {
		result.Snapshot = seen
	}
	return err
}

func (r *Run) next(seen facts.Snapshot) (*plan.Stage, error) {
	if r.Next != nil {
		return r.Next(r.Want, seen)
	}
	seen = r.without(seen)
	if first := plan.Before(seen, r.Then); first != nil {
		return first, nil
	}
	stage, err := etcd.Next(r.Want, seen)
	return plan.Then(stage, err, seen, r.Then)
}

// tryCAs has CAs of others sign before anything is done that rests on them.
func (r *Run) tryCAs(ctx context.Context, seen facts.Snapshot) error {
	if r.Next != nil {
		return nil
	}
	for _, role := range etcd.Trust(r.Want, seen).OnTrial() {
		switch unfit, err := r.Operator.TryCA(ctx, role); {
		case err != nil:
			return err
		case unfit != "":
			return &plan.Refused{Refusals: []plan.Refusal{etcd.Trust(r.Want, seen).Unfit(role, unfit)}}
		}
	}
	return nil
}

// look gathers; a stop ends it at once, since looking changes nothing.
func (r *Run) look(ctx context.Context, last *Last) (facts.Snapshot, error) {
	lookCtx, cancel := r.stoppable(ctx)
	defer cancel()
	if err := r.seam("before look"); err != nil {
		return facts.Snapshot{}, err
	}
	if last == nil || len(last.Touched) > 0 {
		r.kept = nil
	}
	if last != nil && len(last.Touched) > 0 {
		r.kept = slices.DeleteFunc(slices.Sorted(maps.Keys(r.Hosts)),
			func(host string) bool { return slices.Contains(last.Touched, host) })
	}
	seen, err := r.Gather(lookCtx, last)
	if err != nil {
		return seen, err
	}
	r.serving.saw(seen)
	return seen, r.seam("after look")
}

// ErrNoEffect means that steps succeeded and yet the facts stayed as they were.
var ErrNoEffect = errors.New("the stage had no effect")

func (r *Run) stopping() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}

func (r *Run) emit(e Event) {
	if r.Emit != nil {
		e.Time = r.Now()
		r.Emit(e)
	}
}

func (r *Run) timeout() time.Duration {
	if r.Timeout == 0 {
		return 90 * time.Second
	}
	return r.Timeout
}
