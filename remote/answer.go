package remote

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// errUnasked ends an upload to a host that answers out of turn: nothing that it says later can be believed.
var errUnasked = errors.New("unexpected answer")

// answer takes one line of put.sh. What is needed is settled once all files have been looked at, for it is then being
// sent.
func (p *putting) answer(line string, looked bool) error {
	words := strings.SplitN(line, " ", 3)
	if len(words) < 2 {
		return p.unasked(line)
	}
	i, err := strconv.Atoi(words[1])
	if err != nil || i < 0 || i >= len(p.files) {
		return p.unasked(line)
	}
	rest := ""
	if len(words) == 3 {
		rest = words[2]
	}
	switch n := p.need[i]; {
	case words[0] == "E":
		what, text, _ := strings.Cut(rest, " ")
		return p.explain(i, what, text)
	case words[0] == "C" && looked:
		p.replaced(i)
	case looked:
		return p.unasked(line)
	case words[0] == "S", words[0] == "L":
	case words[0] == "N" && n == nil:
		if p.need[i] = p.needed(p.files[i], rest); p.need[i] == nil {
			return p.unasked(line)
		}
	case words[0] == "B" && n != nil:
		n.blocks = strings.Fields(rest)
	default:
		return p.unasked(line)
	}
	return nil
}

func (p *putting) unasked(line string) error {
	return fmt.Errorf("%w %q", errUnasked, brief(line))
}

// needed reads what follows N; nil: it says nothing of use.
func (p *putting) needed(f File, rest string) *need {
	words := strings.SplitN(rest, " ", 4)
	if len(words) != 4 {
		return nil
	}
	n := &need{mount: words[3], avail: math.MaxInt64}
	have, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil || have < 0 || have > f.Size {
		return nil
	}
	n.have = have
	if avail, err := strconv.ParseUint(words[2], 10, 53); err == nil { // a df that says nothing stops nobody
		n.avail = int64(avail) << 10
	}
	switch words[0] {
	case "part":
		n.temp = f.Path + "." + f.SHA256[:8] + ".part"
	case "tmp":
		n.temp = f.Path + "." + p.token + ".tmp"
	default:
		return nil
	}
	return n
}

// explain turns an E line into the operator's words.
func (p *putting) explain(i int, what, text string) error {
	f := p.files[i]
	e := p.h.fail("put "+f.Path, ErrFile, nil)
	switch what {
	case "nodir":
		e.Err = fmt.Errorf("there is no directory %s", text)
	case "isdir":
		e.Err = errors.New("a directory is in its place")
		e.Remedy = "move it away if it is not needed"
	case "digest":
		e.Err = fmt.Errorf("what arrived has digest %s, wanted is %s", text, f.SHA256)
		e.Remedy = "run again; if it comes back, check the disk and memory of the host"
	case "nospace":
		avail, mount, _ := strings.Cut(text, " ")
		kib, _ := strconv.ParseInt(avail, 10, 64)
		return p.noSpace(f.Path, mount, f.Size, kib<<10)
	case "owner":
		e.Stderr = text
		e.Err = fmt.Errorf("cannot give it to %s:%s", f.Owner, f.Group)
	default:
		e.Stderr = text
	}
	return e
}

func (p *putting) noSpace(name, mount string, needed, avail int64) error {
	e := p.h.fail("put "+name, ErrNoSpace, fmt.Errorf("no space left on %s: %s needed, %s free", mount, size(needed), size(avail)))
	e.Remedy = "make room on " + mount + ", then run again"
	return e
}

func size(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20)
}
