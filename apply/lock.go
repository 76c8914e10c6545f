package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Holder keeps a script running on one host for as long as the connection lives.
type Holder interface {
	// Hold runs a script that prints one line when it has what it wants and then stays until its stdin ends. lost is closed when the
	// connection or the script dies; release ends it.
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

// ErrLocked means that another run holds the lock. Worth another try when it has ended; nothing needs to be cleaned up, since a lock falls with
// the connection of its owner.
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

// Lock is held on every host of a cluster.
type Lock struct {
	Lost     <-chan struct{} // closed when it no longer holds everywhere
	releases []func() error
	lostOn   string // set before Lost is closed
}

// LostOn is the first host on which it no longer holds; for use after Lost.
func (l *Lock) LostOn() string { return l.lostOn }

// Release gives the lock up, the host that decides last: whoever stands in line there then finds the others free.
func (l *Lock) Release() error {
	var errs []error
	for _, release := range slices.Backward(l.releases) {
		errs = append(errs, release())
	}
	return errors.Join(errs...)
}

// Acquire takes the lock of a cluster on all hosts, in their order: the first one decides between two runs. wait is how long to stand in
// line there, and once more at each of the others, which a killed run gives up in any order. It blocks until it has all, or fails with
// *LockedError or the error of a host, holding none.
func Acquire(ctx context.Context, cluster string, names []string, hosts map[string]Holder, owner Owner, wait time.Duration) (*Lock, error) {
	lost := make(chan struct{})
	lock := &Lock{Lost: lost}
	watch := make(chan string, len(names))
	for _, name := range names {
		gone, release, err := acquireHost(ctx, hosts[name], lockScript(cluster, owner, wait))
		if err != nil {
			_ = lock.Release()
			var locked *LockedError
			if errors.As(err, &locked) {
				locked.Host = name
			}
			return nil, err
		}
		lock.releases = append(lock.releases, release)
		go func() { <-gone; watch <- name }()
	}
	go func() {
		lock.lostOn = <-watch
		close(lost)
	}()
	return lock, nil
}

func acquireHost(ctx context.Context, host Holder, script string) (<-chan struct{}, func() error, error) {
	line, lost, release, err := host.Hold(ctx, script)
	if err != nil {
		return nil, nil, err
	}
	if line == "held" {
		return lost, release, nil
	}
	_ = release()
	locked := &LockedError{}
	if text, ok := strings.CutPrefix(line, "busy "); ok && len(text) < maxOwner {
		_ = json.Unmarshal([]byte(text), &locked.Owner) // an owner that cannot be read is no owner known
	}
	return nil, nil, locked
}

// lockScript takes the cluster's lock file, says who has it, and keeps it until stdin ends. The lock is the kernel's (flock), on a
// file that nobody ever removes, so it cannot be left behind.
func lockScript(cluster string, owner Owner, wait time.Duration) string {
	who, _ := json.Marshal(owner) // strings and numbers only
	return fmt.Sprintf(`set -u
dir=/run/clusterup name=%s
mkdir -p -m 0700 "$dir" || exit
exec 9>>"$dir/$name.lock" || exit
if ! flock -w %d 9; then
  echo "busy $(cat "$dir/$name.owner" 2>/dev/null)"
  exec cat >/dev/null # whoever holds a script takes its end for a failure
fi
printf '%%s\n' %s >"$dir/$name.owner" || exit
echo held
exec cat >/dev/null
`, quote(cluster), int(wait.Seconds()), quote(string(who)))
}
