package remote

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// answer takes one line of put.sh.
func (p *putting) answer(line string) error {
	words := strings.SplitN(line, " ", 3)
	i := -1
	if len(words) > 1 {
		i, _ = strconv.Atoi(words[1])
	}
	if i < 0 || i >= len(p.files) {
		return p.h.fail("put files", ErrFile, fmt.Errorf("unexpected answer %q", brief(line)))
	}
	rest := ""
	if len(words) == 3 {
		rest = words[2]
	}
	switch words[0] {
	case "S", "L":
	case "C":
		p.replaced(i)
	case "N":
		return p.needed(i, rest)
	case "B":
		if n := p.need[i]; n != nil {
			n.blocks = strings.Fields(rest)
		}
	case "E":
		what, text, _ := strings.Cut(rest, " ")
		return p.explain(i, what, text)
	}
	return nil
}

func (p *putting) needed(i int, rest string) error {
	f := p.files[i]
	words := strings.SplitN(rest, " ", 4)
	n := &need{}
	if len(words) == 4 {
		n.mount = words[3]
		n.have, _ = strconv.ParseInt(words[1], 10, 64)
		avail, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			avail = 1 << 50 // a df that says nothing stops nobody
		}
		n.avail = avail << 10
		switch words[0] {
		case "part":
			n.temp = f.Path + "." + f.SHA256[:8] + ".part"
		default:
			n.temp = f.Path + "." + p.token + ".tmp"
		}
		p.need[i] = n
		return nil
	}
	return p.h.fail("put "+f.Path, ErrFile, fmt.Errorf("unexpected answer %q", brief(rest)))
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
