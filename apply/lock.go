package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
)

// Holder keeps a script running on one host for as long as the connection lives.
type Holder interface {
	// Hold runs a script that prints one line when it has what it wants and then stays until its stdin ends. lost is
	// closed when the connection or the script dies; release ends it.
	Hold(ctx context.Context, script string) (line string, lost <-chan struct{}, release func() error, err error)
}

// maxOwner is how many bytes a host may say of who holds a lock.
const maxOwner = 4 << 10

// Owner says who holds a lock.
type Owner struct {
	User  string    `json:"user"`
	From  string    `json:"from"` // host name of the control machine
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Doing string    `json:"doing"` // the command
}

func (o Owner) String() string {
	return fmt.Sprintf("%s@%s (PID %d), since %s: %s", o.User, o.From, o.PID, o.Since.Format(time.RFC3339), o.Doing)
}

// ErrLocked means that another run holds the lock. Worth another try when it has ended; nothing needs to be cleaned up,
// since a lock falls with the connection of its owner.
var ErrLocked = errors.New("locked")

// LockedError says on which host, and by whom.
type LockedError struct {
	Host  string
	Owner Owner // zero: it does not say
}

func (e *LockedError) Error() string {
	if e.Owner == (Owner{}) {
		return e.Host + ": the cluster is locked by another run"
	}
	return e.Host + ": the cluster is locked by " + e.Owner.String()
}

// Is makes errors.Is(err, ErrLocked) hold.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Lock is held on the hosts of a cluster, each for as long as its connection lives.
type Lock struct {
	Missing map[string]error // hosts on which it could not be taken, and why
	Lost    <-chan string    // each host on which it no longer holds, once; nobody has to listen

	held []hold // in the order in which they were taken
}

// hold is the lock on one host.
type hold struct {
	host    string
	before  string // what the run before has left to say of itself
	gone    <-chan struct{}
	release func() error
}

func (h hold) lost() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

// Held are the hosts on which it holds now, in the order in which they were locked.
func (l *Lock) Held() []string {
	var hosts []string
	for _, h := range l.held {
		if !h.lost() {
			hosts = append(hosts, h.host)
		}
	}
	return hosts
}

// Holds says whether it holds on one host now.
func (l *Lock) Holds(host string) bool { return slices.Contains(l.Held(), host) }

// letGo stands before the words of an owner that has given the lock up itself.
const letGo = "ended "

// Since says whether no run has held the lock on a host since a look at it. run is what that look found of the run
// before: nothing, or that it had given the lock up. A run that was killed has not said that it gave the lock up.
func (l *Lock) Since(host, run string) bool {
	return slices.ContainsFunc(l.held, func(h hold) bool {
		return h.host == host && h.before == run && (run == "" || strings.HasPrefix(run, letGo))
	})
}

// Release gives the lock up, on the first host last: a run that waits there then finds the others free.
func (l *Lock) Release() error {
	var errs []error
	for _, h := range slices.Backward(l.held) {
		errs = append(errs, h.release())
	}
	return errors.Join(errs...)
}

// Acquire takes the lock of a cluster on hosts, in their order: the first one decides between two runs. wait is how
// long to stand in line on each host, since a killed run gives them up in any order. A host on which it cannot be taken
// is in Missing; whether the others are enough is for the caller to say. It blocks until it was tried on all, or fails
// with *LockedError or the context's error, holding none.
func Acquire(ctx context.Context, cluster string, names []string, hosts map[string]Holder, owner Owner,
	wait time.Duration,
) (*Lock, error) {
	lost := make(chan string, len(names)) // so that nobody waits for a listener
	lock := &Lock{Missing: map[string]error{}, Lost: lost}
	for _, name := range names {
		before, gone, release, err := acquireHost(ctx, hosts[name], lockScript(cluster, owner, wait))
		locked := new(LockedError)
		switch {
		case errors.As(err, &locked):
			locked.Host = name
			_ = lock.Release()
			return nil, err
		case err != nil && ctx.Err() != nil:
			_ = lock.Release()
			return nil, err
		case err != nil:
			lock.Missing[name] = err
			continue
		}
		lock.held = append(lock.held, hold{name, before, gone, release})
		go func() { <-gone; lost <- name }()
	}
	return lock, nil
}

func acquireHost(ctx context.Context, host Holder,
	script string,
) (before string, lost <-chan struct{}, release func() error, err error) {
	line, lost, release, err := host.Hold(ctx, script)
	if err != nil {
		return "", nil, nil, err
	}
	if word, before, _ := strings.Cut(line, " "); word == "held" {
		return before, lost, release, nil
	}
	_ = release()
	locked := &LockedError{}
	if text, ok := strings.CutPrefix(line, "busy "); ok && len(text) < maxOwner {
		_ = json.Unmarshal([]byte(text), &locked.Owner) // an owner that cannot be read is no owner known
	}
	return "", nil, nil, locked
}

// lockScript takes the cluster's lock file, says who has it and what the run before had said, and keeps it until stdin
// ends; then it records that the lock was given up. The lock is the kernel's (flock), on a file that nobody ever
// removes, so it cannot be left behind.
func lockScript(cluster string, owner Owner, wait time.Duration) string {
	who, _ := json.Marshal(owner) // strings and numbers only
	return fmt.Sprintf(`set -u
dir=%s name=%s
[ -d "$dir" ] || mkdir -p -m 0700 "$dir" || exit
exec 9>>"$dir/$name.lock" || exit
if ! flock -w %d 9; then
  echo "busy $(cat "$dir/$name.owner" 2>/dev/null)"
  exec cat >/dev/null # whoever holds a script takes its end for a failure
fi
who=%s was=
[ ! -f "$dir/$name.owner" ] || IFS= read -r was <"$dir/$name.owner" || was='?' # cut short by somebody
printf '%%s\n' "$who" >"$dir/$name.owner" || exit
printf 'held %%s\n' "$was"
while read -r _; do :; done # with the shell's own word: it dies of the signal that ends a hold, and says nothing then
printf '%s%%s\n' "$who" >"$dir/$name.owner"
`, etcd.LockDir, shellword.Quote(cluster), int(wait.Seconds()), shellword.Quote(string(who)), letGo)
}
