package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	content = "all of the file"
	large   = 1 << 20
)

// quick tries again at once, and waits for a request on a busy machine. hasty does not wait.
var (
	quick = Pace{Tries: 3, Backoff: time.Millisecond, Idle: time.Minute}
	hasty = Pace{Tries: 3, Backoff: time.Millisecond, Idle: time.Second}
)

// of is a request of at most large bytes, with what no error may show.
func of(t *testing.T, base string) Request {
	t.Helper()
	u, err := Parse(strings.Replace(base, "://", "://user:secret@", 1) + "/file?token=secret")
	if err != nil {
		t.Fatal(err)
	}
	return Request{URL: u, Max: large}
}

// get has a client get a file.
func get(t *testing.T, c Client, r Request) (got string, err error) {
	t.Helper()
	if c.Pace == (Pace{}) {
		c.Pace = quick
	}
	err = c.Get(t.Context(), r, func(body io.Reader, _ int64) error {
		all, err := io.ReadAll(body)
		got = string(all)
		return err
	})
	if strings.Contains(fmt.Sprint(err), "secret") {
		t.Errorf("the error shows the credentials: %v", err)
	}
	return got, err
}

func code(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func whole(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content) }

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = io.WriteString(w, content[:5])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func silent(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// Only a failure that may pass is tried again. The last answer is given as often as it is asked for.
func TestGet(t *testing.T) {
	for name, test := range map[string]struct {
		answers []http.HandlerFunc
		tries   int
		again   bool
		kind    error // also: its error has it; nil: none of these
		says    string
	}{
		"whole":     {[]http.HandlerFunc{whole}, 1, false, nil, ""},
		"cut once":  {[]http.HandlerFunc{cut, whole}, 2, false, nil, ""},
		"busy":      {[]http.HandlerFunc{code(429), code(503), whole}, 3, false, nil, ""},
		"cut":       {[]http.HandlerFunc{cut}, 3, true, io.ErrUnexpectedEOF, "unexpected EOF"},
		"broken":    {[]http.HandlerFunc{code(500)}, 3, true, nil, "the server says 500 Internal Server Error"},
		"silent":    {[]http.HandlerFunc{silent}, 3, true, ErrSilent, "fell silent"},
		"not there": {[]http.HandlerFunc{code(404)}, 1, false, ErrAbsent, "not exist"},
		"gone":      {[]http.HandlerFunc{code(410)}, 1, false, ErrAbsent, "not exist"},
		"forbidden": {[]http.HandlerFunc{code(403)}, 1, false, ErrRefused, "the server says 403 Forbidden"},
		"a part":    {[]http.HandlerFunc{code(206)}, 1, false, ErrRefused, "206"},
		"leads in circles": {[]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}}, 10, false, ErrUntrusted, "redirected ten times"},
		"large": {[]http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, large+1))
		}}, 1, false, ErrLarge, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tries++
				test.answers[min(tries, len(test.answers))-1](w, r)
			}))
			defer s.Close()
			c := Client{}
			if errors.Is(test.kind, ErrSilent) {
				c.Pace = hasty
			}
			got, err := get(t, c, of(t, s.URL))
			if tries != test.tries {
				t.Errorf("%d requests, want %d", tries, test.tries)
			}
			if test.says == "" {
				if err != nil || got != content {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			var failed *Error
			if !errors.As(err, &failed) || failed.Again != test.again || !strings.Contains(err.Error(), test.says) ||
				test.kind != nil && !errors.Is(err, test.kind) {
				t.Errorf("%#v, want one that says %q", err, test.says)
			}
		})
	}
}

// A file may have just as many bytes as were asked for at most.
func TestGetJustEnough(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(whole))
	defer s.Close()
	r := of(t, s.URL)
	for less, kind := range []error{nil, ErrLarge} {
		r.Max = int64(len(content) - less)
		if _, err := get(t, Client{}, r); !errors.Is(err, kind) {
			t.Errorf("of %d bytes, %d: %v", len(content), r.Max, err)
		}
	}
}

func TestGetTLS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(whole))
	defer plain.Close()
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusFound)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the handshake that must fail
	front.StartTLS()
	defer front.Close()
	trusting := HTTPClient()
	trusting.Transport = front.Client().Transport
	for says, c := range map[string]Client{"unknown authority": {}, "from https to http": {HTTP: trusting}} {
		if _, err := get(t, c, of(t, front.URL)); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %q", err, says)
		}
	}
}

// A server that a redirect leads to does not hear the token of the one before.
func TestGetRedirected(t *testing.T) {
	headers := make(chan http.Header, 1)
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		whole(w, r)
	}))
	defer there.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, there.URL, http.StatusFound)
	}))
	defer front.Close()
	if got, err := get(t, Client{}, of(t, front.URL)); got != content || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if got := fmt.Sprint(<-headers); strings.Contains(got, "secret") {
		t.Errorf("it hears %s", got)
	}
}

// No error repeats a part of a password.
func TestParse(t *testing.T) {
	for _, password := range []string{"sec/ret", "sec?ret", "sec#ret", "sec%ret", "sec ret", "sec@ret:x/"} {
		if u, err := Parse("https://user:" + password + "@host/file"); err == nil || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v, %v", password, u, err)
		}
	}
	if _, err := Parse("https://host:port/file"); err == nil || !strings.Contains(err.Error(), ":port") {
		t.Error(err)
	}
}

// A taker that is slow, such as a disk, is not the server's silence.
func TestGetSlowTaker(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(large))
		_, _ = w.Write(make([]byte, large))
	}))
	defer s.Close()
	first := true
	err := Client{Pace: hasty}.Get(t.Context(), of(t, s.URL), func(body io.Reader, size int64) error {
		if !first {
			t.Error("it was tried again")
		}
		first = false
		if _, err := io.CopyN(io.Discard, body, 1000); err != nil {
			return err
		}
		<-time.After(hasty.Idle + hasty.Idle/2)
		n, err := io.Copy(io.Discard, body)
		if n != large-1000 || size != large {
			t.Errorf("%d bytes of %d", n, size)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The error of the taker ends the download, and is its own.
func TestGetTakerFails(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(whole))
	defer s.Close()
	full := errors.New("no space left")
	calls := 0
	err := Client{Pace: quick}.Get(t.Context(), of(t, s.URL), func(io.Reader, int64) error {
		calls++
		return full
	})
	if err != full || calls != 1 { //nolint:errorlint // as it is
		t.Errorf("%v, after %d calls", err, calls)
	}
}

func TestGetCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tries++
		cancel(stopped)
		<-r.Context().Done()
	}))
	defer s.Close()
	err := Client{Pace: quick}.Get(ctx, of(t, s.URL), func(io.Reader, int64) error { return nil })
	if !errors.Is(err, stopped) || errors.As(err, new(*Error)) || tries != 1 {
		t.Errorf("%v, after %d requests", err, tries)
	}
}

func TestGetFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file := func(path string) Request { return Request{URL: &url.URL{Scheme: "file", Path: path}, Max: large} }
	if got, err := get(t, Client{}, file(path)); got != content || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := get(t, Client{}, file(path+".no")); !errors.Is(err, ErrAbsent) || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	var failed *Error
	if _, err := get(t, Client{}, file(filepath.Dir(path))); !errors.As(err, &failed) || failed.Again {
		t.Error(err)
	}
}
