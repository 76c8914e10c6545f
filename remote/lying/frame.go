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

// open takes a session as far as an honest host does before it runs the script: the marks are said, the script was
// read.
func open(line string, channel ssh.Channel) (Talk, error) {
	mark := firstMark.FindStringSubmatch(line)
	if mark == nil {
		return Talk{}, fmt.Errorf("no script: %q", line)
	}
	if _, err := io.WriteString(channel, mark[1]+"\n"); err != nil {
		return Talk{}, err
	}
	in := bufio.NewReader(channel)
	if _, err := in.ReadString('\n'); err != nil { // the guard
		return Talk{}, err
	}
	frame, err := program(in)
	if err != nil {
		return Talk{}, err
	}
	mark = secondMark.FindStringSubmatch(frame)
	if mark == nil {
		return Talk{}, errors.New("no frame")
	}
	script, err := program(in)
	if err != nil {
		return Talk{}, err
	}
	for _, w := range []io.Writer{channel, channel.Stderr()} {
		if _, err := io.WriteString(w, mark[1]+"\n"); err != nil {
			return Talk{}, err
		}
	}
	drain := func() { _, _ = io.Copy(io.Discard, in) } // until it ends, however it does
	return Talk{Script: script, In: &input{r: in}, Drain: drain, Out: channel, Err: channel.Stderr()}, nil
}

// program reads one line as printf %b does.
func program(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(strings.TrimSuffix(line, "\n")), err
}

// input is what a script is given to read, out of its frames.
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
