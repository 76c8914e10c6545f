package hosttest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/clusterup/clusterup/apply"
)

// input is data to stream.
func input(data string) apply.Input {
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil }
	return apply.Input{Size: int64(len(data)), Open: open}
}

// takes is a script that succeeds when it reads just this.
func takes(data string) string {
	return `sum=$(sha256sum); [ "${sum%% *}" = ` + sum(data) + ` ] || { echo "read $sum" >&2; exit 1; }`
}

// long is more than any buffer holds.
var long = strings.Repeat("0123456789abcdef", 80<<10)

// feeds: a script reads all of its input and then its end; progress ends with all of it.
func feeds(t *testing.T, s Subject) {
	for _, data := range []string{"", "data", "a\x00b\r\n", long} {
		var done, total int64
		err := s.Host.Feed(t.Context(), takes(data), input(data), func(d, all int64) { done, total = d, all })
		if size := int64(len(data)); err != nil || done != size || data != "" && total != size {
			t.Errorf("progress ends with %d of %d, want %d; %v", done, total, size, err)
		}
		if err := s.Host.Feed(t.Context(), takes(data), input(data), nil); err != nil {
			t.Error(err)
		}
	}
	s.runs(t.Context(), t, "echo well", "well\n")
}

// feedEnds: a script may end before it has read its input, and then its own end is all that counts.
func feedEnds(t *testing.T, s Subject) {
	for _, data := range []string{"", "data", long} {
		for _, script := range []string{"exit 0", "head -c 2 >/dev/null", "exec 0</dev/null; sleep 0"} {
			if err := s.Host.Feed(t.Context(), script, input(data), nil); err != nil {
				t.Errorf("%q: %v", script, err)
			}
		}
		s.fails(t, "no room", s.Host.Feed(t.Context(), "echo no room >&2; exit 1", input(data), nil), "no room")
		s.fails(t, "amid it", s.Host.Feed(t.Context(), "head -c 2 >/dev/null; echo no room >&2; exit 1", input(data), nil),
			"no room")
	}
	s.runs(t.Context(), t, "echo well", "well\n")
}

// feedFails: a script never takes a part of its input for all of it.
func feedFails(t *testing.T, s Subject) {
	broken := errors.New("the archive cannot be read")
	short := input(long)
	short.Size++
	closed, torn := input(long), input(long)
	closed.Open = func() (io.ReadCloser, error) { return nil, broken }
	torn.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(long[:len(long)/2]), iotest.ErrReader(broken))), nil
	}
	for what, in := range map[string]apply.Input{
		"shorter than announced": short, "unreadable": closed,
		"unreadable amid it": torn,
	} {
		err := s.Host.Feed(t.Context(), "cat >/dev/null; exit 0", in, nil)
		if s.fails(t, what, err); what != "shorter than announced" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.runs(t.Context(), t, "echo well", "well\n")
}
