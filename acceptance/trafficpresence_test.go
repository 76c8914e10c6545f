package acceptance

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	askPause    = 50 * time.Millisecond
	askPatience = 4 * time.Second // longer than a dead host takes to be told as unreachable
	askTimes    = 2               // a busy machine may be silent for one of them
)

// presence knows which members answer, by asking each of them all the time. A member that answers has joined its
// cluster: etcd listens for clients only then. One that refuses or is unreachable is away, and so is one that is silent
// again and again.
type presence struct {
	inv    inventory
	client *http.Client

	mu     sync.Mutex
	absent map[string]bool
	spells [][]string // the members that were absent at once, whenever that changed; sorted
}

func newPresence(s *site, config *tls.Config, inv inventory) *presence {
	return &presence{
		inv: inv,
		client: &http.Client{
			Transport: &http.Transport{TLSClientConfig: config, DialContext: s.lab.DialContext},
			Timeout:   askPatience,
		},
		absent: map[string]bool{},
	}
}

// start asks until the context ends.
func (p *presence) start(ctx context.Context, running *sync.WaitGroup) {
	for _, m := range p.inv.Members {
		running.Go(func() {
			pause := time.NewTicker(askPause)
			defer pause.Stop()
			for silent := 0; ; <-pause.C {
				err := p.ask(ctx, m)
				var timeout net.Error
				switch {
				case ctx.Err() != nil:
					return
				case errors.As(err, &timeout) && timeout.Timeout():
					silent++
				default:
					silent = 0
				}
				if silent > 0 && silent < askTimes {
					continue
				}
				if p.note(m.Name, err == nil); err != nil {
					p.awaitBack(ctx, m)
				}
			}
		})
	}
	context.AfterFunc(ctx, p.client.CloseIdleConnections)
}

// awaitBack blocks until a member that is away answers. It asks anew without waiting for what it has asked before: a
// host that comes back does not answer who called it while it was gone.
func (p *presence) awaitBack(ctx context.Context, m member) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	again := time.NewTicker(4 * askPause)
	defer again.Stop()
	here := make(chan struct{}, askPatience/askPause)
	for {
		go func() {
			if p.ask(ctx, m) == nil {
				here <- struct{}{}
			}
		}()
		select {
		case <-here:
			p.note(m.Name, true)
			return
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *presence) ask(ctx context.Context, m member) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.inv.url(m)+"/version", nil)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return err
}

func (p *presence) note(name string, here bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.absent[name] == !here {
		return
	}
	p.absent[name] = !here
	var all []string
	for name, absent := range p.absent {
		if absent {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	p.spells = append(p.spells, all)
}

// most is how many members at the most were absent at once, and which, other than those excused.
func (p *presence) most(excused ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var most []string
	for _, all := range p.spells {
		left := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(excused, name) })
		if len(left) > len(most) {
			most = left
		}
	}
	return most
}
