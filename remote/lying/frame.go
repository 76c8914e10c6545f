package lying

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

var (
	firstMark  = regexp.MustCompile(`^echo (\S+); exec `)
	secondMark = regexp.MustCompile(`cu_mark=([^;]+);`)
)

// shell is a held shell as an honest host has it, but that it runs nothing.
type shell struct {
	in        *bufio.Reader
	out, errs io.Writer
	mark      string
	kept      string // script
}

// open takes a session as far as an honest host does before it runs a script.
func open(line string, channel ssh.Channel) (*shell, error) {
	mark := firstMark.FindStringSubmatch(line)
	if mark == nil {
		return nil, fmt.Errorf("no shell: %q", line)
	}
	if _, err := io.WriteString(channel, mark[1]+"\n"); err != nil {
		return nil, err
	}
	s := &shell{in: bufio.NewReader(channel), out: &turns{w: channel}, errs: &turns{w: channel.Stderr()}}
	guard, err := s.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	frame, err := s.lines(guard)
	if err != nil {
		return nil, err
	}
	mark = secondMark.FindStringSubmatch(frame)
	if mark == nil {
		return nil, errors.New("no frame")
	}
	s.mark = mark[1]
	return s, s.say(" r\n", " r\n")
}

// lines reads up to a line, which is left out.
func (s *shell) lines(end string) (string, error) {
	var text strings.Builder
	for {
		line, err := s.in.ReadString('\n')
		if line == end || err != nil {
			return text.String(), err
		}
		text.WriteString(line)
	}
}

// say says the mark and what follows it, on standard output and standard error.
func (s *shell) say(out, errs string) error {
	_, err := io.WriteString(s.out, s.mark+out)
	_, also := io.WriteString(s.errs, s.mark+errs)
	return errors.Join(err, also)
}

// next takes the next script.
func (s *shell) next() (Talk, error) {
	how, err := s.in.ReadString('\n')
	if err != nil {
		return Talk{}, err
	}
	words := strings.Fields(how)
	script, err := s.script(words)
	if err != nil {
		return Talk{}, err
	}
	var in io.Reader = strings.NewReader("")
	drain := func() { _, _ = s.in.Peek(1) } // until it ends
	if words[1] != "s" && words[1] != "k" {
		in, drain = &input{r: s.in}, func() { _, _ = io.Copy(io.Discard, s.in) }
	}
	return Talk{Script: script, In: in, Drain: drain, Out: s.out, Err: s.errs, shell: s}, s.say(" b\n", " b\n")
}

// script reads a script; words are those of the line before it.
func (s *shell) script(words []string) (string, error) {
	switch {
	case len(words) == 2 && words[1] == "k":
		return s.kept, nil
	case len(words) == 2:
		return s.lines(s.mark + "\n")
	case len(words) != 3:
		return "", fmt.Errorf("a script that begins with %q", words)
	}
	n, err := strconv.Atoi(words[2])
	if err != nil {
		return "", err
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(s.in, text); err != nil {
		return "", err
	}
	script := strings.TrimSuffix(string(text), "#"+s.mark)
	if words[1] == "k" {
		s.kept = script
	}
	return script, nil
}

// End is the Answer that says word after the mark, in place of the end of the script, and then nothing more.
func End(word string) Answer {
	return func(t Talk) int {
		_ = t.shell.say(word, " e\n") // whoever hung up has heard enough
		return gone
	}
}

// gone is no status: the session ends.
const gone = -1

// input is the input of a script, without the lines that frame it.
type input struct {
	r    *bufio.Reader
	left int
}

func (i *input) Read(p []byte) (int, error) {
	for i.left == 0 {
		head, err := i.r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		switch head = strings.TrimSuffix(head, "\n"); head {
		case ".":
		case "0":
			return 0, io.EOF
		default:
			if i.left, err = strconv.Atoi(head); err != nil {
				return 0, err
			}
		}
	}
	n, err := i.r.Read(p[:min(len(p), i.left)])
	i.left -= n
	return n, err
}
