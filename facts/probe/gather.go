package probe

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/clusterup/clusterup/facts/lines"
)

// Source is where probes come from.
type Source struct {
	Asks  map[string]Ask  // by member name
	Hosts map[string]Host // by member name; one that is missing is not asked, and the others try to reach it
	Nonce string          // what listeners say: at least 16 letters and digits that nobody else can know
	Now   func() time.Time
}

// patience is how long a connection may take. It stands at once where nothing is in its way; the rest is for lost
// packets and busy hosts.
const patience = 5 * time.Second

// doorPatience is how long a host may take until something listens at its doors. After that the listeners of other
// hosts have half a minute left.
const doorPatience = 30 * time.Second

// Gather probes all hosts side by side, and blocks until all is known, or ctx ends. In either case nothing of it is
// left on any host. What could not be found out is said in the Probe that it belongs to.
func Gather(ctx context.Context, src Source) map[string]Probe {
	asked := make(map[string]*asking, len(src.Hosts))
	until := make(chan struct{})
	for name, host := range src.Hosts {
		asked[name] = begin(ctx, host, src.Asks[name], src.Nonce, until)
	}
	shut := waitForDoors(ctx, src, asked)
	reach := make(map[string][]Reach, len(src.Hosts))
	var mu sync.Mutex
	var knocked sync.WaitGroup
	for name, host := range src.Hosts {
		knocked.Go(func() {
			found := knockAll(ctx, src, host, shut)
			mu.Lock()
			defer mu.Unlock()
			reach[name] = found
		})
	}
	knocked.Wait()
	close(until)
	for _, a := range asked {
		<-a.over
	}
	probes := make(map[string]Probe, len(src.Hosts))
	for name, a := range asked {
		a.probe.Reach = reach[name]
		for i, r := range a.probe.Reach {
			if to := asked[r.To]; to != nil {
				if peer, err := netip.ParseAddrPort(to.probe.Callers[r.By]); err == nil {
					a.probe.Reach[i].From = peer.Addr().Unmap().String()
				}
			}
		}
		probes[name] = a.probe
	}
	return probes
}

// asking is a probe on its way, to which its script writes.
type asking struct {
	text  []byte
	read  int         // bytes in lines that were seen
	doors chan string // gets why nothing listens at the doors, once; empty: something does
	told  bool

	over  chan struct{} // closed at its end
	probe Probe         // read after over
}

func begin(ctx context.Context, host Host, ask Ask, nonce string, until <-chan struct{}) *asking {
	a := &asking{doors: make(chan string, 1), over: make(chan struct{})}
	go func() {
		defer close(a.over)
		// Enough of the nonce stays unknown to whoever may list a directory.
		err := host.AskUntil(ctx, ask.Script(nonce, nonce[:min(8, len(nonce))]), until, a)
		if err == nil {
			a.probe, err = parse(a.text)
		}
		if err != nil {
			a.probe = Probe{Failed: err.Error(), Err: err}
		}
	}()
	return a
}

// waitForDoors blocks until something listens at all doors that need it, or cannot. It returns, by host, why nothing
// does.
func waitForDoors(ctx context.Context, src Source, asked map[string]*asking) (shut map[string]string) {
	shut = map[string]string{}
	inTime, cancel := context.WithTimeout(ctx, doorPatience)
	defer cancel()
	for name, ask := range src.Asks {
		if len(ask.listens()) == 0 {
			continue
		}
		why := "the host could not be looked at"
		if a, ok := asked[name]; ok {
			why = a.opened(inTime)
		}
		if why != "" {
			shut[name] = why
		}
	}
	return shut
}

// opened blocks until something listens at the doors, and returns why nothing does; "": something does.
func (a *asking) opened(ctx context.Context) (why string) {
	select {
	case why = <-a.doors:
	case <-ctx.Done():
		return fmt.Sprintf("no listener could be set up within %s", doorPatience)
	case <-a.over:
		select {
		case why = <-a.doors: // and ended at once
		default:
			return cmp.Or(a.probe.Failed, "no listener could be set up")
		}
	}
	if why != "" {
		why = "no listener could be set up: " + why
	}
	return why
}

func (a *asking) Write(b []byte) (int, error) {
	a.text = append(a.text, b...)
	for !a.told {
		line, _, whole := bytes.Cut(a.text[a.read:], []byte("\n"))
		if !whole {
			break
		}
		a.read += len(line) + 1
		if why, ok := strings.CutPrefix(string(line), "doors\t"); ok {
			a.told = true
			if words, err := lines.Decode(why); err == nil {
				why = words
			}
			a.doors <- why
		}
	}
	return len(b), lines.Bounded(a.text)
}
