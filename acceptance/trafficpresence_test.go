package acceptance

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	askPause    = 50 * time.Millisecond
	askPatience = 2 * time.Second // of a member on a busy machine
)

// presence knows which members answer, by asking each of them all the time. A member that answers has joined its cluster: etcd listens
// for clients only then.
type presence struct {
	members []member
	client  *http.Client

	mu     sync.Mutex
	absent map[string]bool
	spells [][]string // the members that were absent at once, whenever that changed; sorted
}

func newPresence(s *site, config *tls.Config, inv inventory) *presence {
	return &presence{
		members: inv.Members,
		client:  &http.Client{Transport: &http.Transport{TLSClientConfig: config, DialContext: s.lab.DialContext}, Timeout: askPatience},
		absent:  map[string]bool{},
	}
}

// start asks until the context ends.
func (p *presence) start(ctx context.Context, running *sync.WaitGroup) {
	for _, m := range p.members {
		running.Go(func() {
			pause := time.NewTicker(askPause)
			defer pause.Stop()
			for {
				here := p.ask(ctx, m)
				if ctx.Err() != nil {
					return
				}
				p.note(m.Name, here)
				<-pause.C
			}
		})
	}
	context.AfterFunc(ctx, p.client.CloseIdleConnections)
}

func (p *presence) ask(ctx context.Context, m member) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint(m, 2379)+"/version", nil)
	if err != nil {
		return false
	}
	response, err := p.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
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
