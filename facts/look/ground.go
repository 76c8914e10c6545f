package look

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

func (p *parser) readNear(f []string) error {
	p.near[f[0]] = f[1]
	return nil
}

// readFree reads a directory, the size of a block, all blocks and those free, all inodes and those free.
func (p *parser) readFree(f []string) error {
	var n [5]int64
	for i, text := range f[1:] {
		v, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		n[i] = int64(v)
	}
	if high, low := bits.Mul64(uint64(n[0]), uint64(max(n[1], n[2]))); high > 0 || low > 1<<62 {
		return fmt.Errorf("%d blocks of %d bytes", n[1], n[0])
	}
	p.rooms[f[0]] = facts.Room{Dir: f[0], Size: n[0] * n[1], Free: n[0] * n[2], Inodes: n[3], InodesFree: n[4]}
	return nil
}

func (p *parser) readSealed(f []string) error {
	if slices.Contains(p.host.Sealed, f[0]) { // it is near to several
		return nil
	}
	return add(&p.host.Sealed, f[0])
}

// readRoute reads a line of ip -o route get: 10.0.0.12 via 10.0.0.1 dev eth0 src 10.0.0.11 uid 0 \ cache. Words stand
// before the address where it is the host's own, or has no route.
func (p *parser) readRoute(f []string) error {
	words := strings.Fields(f[0])
	at := slices.Index(words, "src")
	if at < 1 || at+1 == len(words) {
		return nil
	}
	to := words[0]
	if to == "local" {
		to = words[1]
	}
	peer, err := netip.ParseAddr(to)
	from, err2 := netip.ParseAddr(words[at+1])
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if p.host.Sources == nil {
		p.host.Sources = map[netip.Addr]netip.Addr{}
	}
	p.host.Sources[peer] = from
	return nil
}
