package look

import (
	"context"
	"maps"
	"sync"

	"github.com/clusterup/clusterup/facts"
)

// lookAtNodes gathers the hosts of balancers' nodes side by side; nil where there are none. One that fails is there,
// with the reason.
func lookAtNodes(ctx context.Context, src Source, cas []facts.CA) map[string]facts.Node {
	if len(src.NodeAsks) == 0 {
		return nil
	}
	nodes := make(map[string]facts.Node, len(src.NodeAsks))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, ask := range src.NodeAsks {
		wg.Go(func() {
			node := issued(lookAtNode(ctx, src, name, ask), cas)
			mu.Lock()
			defer mu.Unlock()
			nodes[name] = node
		})
	}
	wg.Wait()
	return nodes
}

func lookAtNode(ctx context.Context, src Source, name string, ask facts.NodeAsk) facts.Node {
	if was, keep := src.KeepNodes[name]; keep && !was.Dark() {
		return was
	}
	dark := func(err error) facts.Node {
		return facts.Node{Machine: facts.Machine{Name: name, Unreachable: err.Error(), Err: err}}
	}
	sent := src.Now()
	text, err := src.NodeShells[name].Script(ctx, NodeScript(ask))
	received := src.Now()
	if err != nil {
		return dark(err)
	}
	node, clock, err := parseNode(ask, text)
	if err != nil {
		return dark(err)
	}
	node.Name = name
	node.ClockOffset = offset(clock, sent, received)
	return node
}

// issued is a node with the CAs that signed the certificates of its pairs.
func issued(node facts.Node, cas []facts.CA) facts.Node {
	node.Pairs = maps.Clone(node.Pairs)
	issuers(node.Pairs, cas)
	return node
}
