package facts

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ProbeSource is where probes come from.
type ProbeSource struct {
	Asks  map[string]ProbeAsk // by member name
	Hosts map[string]Prober   // by member name; those that are missing are reached for, and not asked
	Nonce string              // what listeners say: at least 16 letters and digits that nobody else can know
	Now   func() time.Time
}

// probePatience is how long a connection may take that stands at once where nothing is in its way. It bears lost
// packets, and hosts that have much to do.
const probePatience = 5 * time.Second

// GatherProbes probes all hosts side by side, and blocks until all is known. Then nothing of it is left on any host,
// and neither is when ctx ends it. What could not be found out is said in the Probe that it belongs to.
func GatherProbes(ctx context.Context, src ProbeSource) map[string]Probe {
	probes := make(map[string]Probe, len(src.Hosts))
	reach := make(map[string][]Reach, len(src.Hosts))
	var mu sync.Mutex
	var asked sync.WaitGroup
	for name, host := range src.Hosts {
		asked.Go(func() {
			probe := ask(ctx, host, src.Asks[name].Script(src.unique()))
			mu.Lock()
			defer mu.Unlock()
			probes[name] = probe
		})
	}
	shut, close := openDoors(ctx, src)
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
	close()
	asked.Wait()
	for name, probe := range probes {
		probe.Reach = reach[name]
		probes[name] = probe
	}
	return probes
}

// unique is part of the nonce; enough of it stays unknown to whoever may list a directory.
func (src ProbeSource) unique() string { return src.Nonce[:min(8, len(src.Nonce))] }

func ask(ctx context.Context, host Prober, script string) Probe {
	answer, err := host.Script(ctx, script)
	if err == nil {
		var probe Probe
		if probe, err = ParseProbe(answer); err == nil {
			return probe
		}
	}
	return Probe{Failed: err.Error(), Err: err}
}

// openDoors has a listener on every host that needs one. It returns why hosts have none, and what ends them all.
func openDoors(ctx context.Context, src ProbeSource) (shut map[string]string, end func()) {
	shut = map[string]string{}
	var releases []func() error
	var mu sync.Mutex
	var opened sync.WaitGroup
	for name := range src.Asks {
		opened.Go(func() {
			release, why := (func() error)(nil), "the host could not be looked at"
			if host, ok := src.Hosts[name]; ok {
				release, why = openDoor(ctx, host, src.Asks[name].listener(src.Nonce, src.unique()))
			}
			mu.Lock()
			defer mu.Unlock()
			if release != nil {
				releases = append(releases, release)
			}
			if why != "" {
				shut[name] = why
			}
		})
	}
	opened.Wait()
	return shut, func() {
		var ended sync.WaitGroup
		for _, release := range releases {
			ended.Go(func() { _ = release() }) // it falls with the connection in any case
		}
		ended.Wait()
	}
}

func openDoor(ctx context.Context, host Prober, script string) (release func() error, why string) {
	if script == "" {
		return nil, ""
	}
	line, _, release, err := host.Hold(ctx, script)
	switch {
	case err != nil:
		return nil, err.Error()
	case line != "ready":
		return release, fmt.Sprintf("no listener could be set up: %s", strings.TrimSpace(line))
	}
	return release, ""
}
