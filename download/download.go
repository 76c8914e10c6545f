// Package download gets one file from a web server, or from a folder, with the patience that this takes.
//
// It owns the HTTP client with its limits on time, what is tried again, and what may be printed of a URL. It must not
// know what the file is or where it goes: whoever asks is handed the bytes, and says in its own errors what to do next.
package download

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client says how files are got. The zero value works.
type Client struct {
	// HTTP makes the requests. Nil: a new [HTTPClient].
	HTTP *http.Client
	Pace Pace
}

// Pace says how patient a download is. Zero fields stand for the defaults.
type Pace struct {
	Tries   int           // 3
	Backoff time.Duration // after the first failure, doubled after each further one; 500 ms
	Idle    time.Duration // how long a server may be silent; 30 s
}

func (p Pace) orDefault() Pace {
	return Pace{cmp.Or(p.Tries, 3), cmp.Or(p.Backoff, 500*time.Millisecond), cmp.Or(p.Idle, 30*time.Second)}
}

// Why a file was not got, beside what ends ctx and what the caller's own code says. Trying again helps with none of
// them.
var (
	// ErrAbsent: the server answered, or the folder was read, and the file is not there.
	ErrAbsent = errors.New("not there")
	// ErrRefused: the server answered that it will not give the file.
	ErrRefused = errors.New("refused")
	// ErrUntrusted: the server's certificate does not fit, or it leads from https to http, or in circles.
	ErrUntrusted = errors.New("not trusted")
	// ErrLarge: the file has more bytes than were asked for.
	ErrLarge = errors.New("too large")
)

// ErrSilent is the cause, and not the kind, of an error: the server said nothing for a while. Get has tried again.
var ErrSilent = errors.New("the server fell silent")

// Error is what [Client.Get] returns of a download itself.
type Error struct {
	URL   string // without user, password and query
	Kind  error  // ErrAbsent, ErrRefused, ErrUntrusted or ErrLarge; nil: something that may pass, or of this machine
	Again bool   // trying again may help; Get has done so already
	Err   error  // the cause; never nil
}

func (e *Error) Error() string { return "get " + e.URL + ": " + e.Err.Error() }

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// HTTPClient limits every wait but the transfer itself, which [Client.Get] watches for silence. It honours the proxy
// environment. A redirect from https to http is not followed: what comes would be anyone's. Nor does the server that a
// redirect leads to hear from where: the query of that may hold a token.
func HTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       30 * time.Second,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			req.Header.Del("Referer")
			if len(via) >= 10 {
				return errRedirects
			}
			if req.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
				return errDowngrade
			}
			return nil
		},
	}
}

var (
	errRedirects = errors.New("redirected ten times")
	errDowngrade = errors.New("redirected from https to http")
)

// Show is a URL as it may be printed: without user, password and query, which may hold a token.
func Show(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.Fragment = nil, "", ""
	return c.String()
}

// Parse reads a URL. Its error repeats no part of a URL that may hold a password.
func Parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil && strings.Contains(text, "@") { // in pa/ss the host seems to end before the /, and the error quotes pa
		return nil, errors.New("in a user or password, write / as %2F, ? as %3F, # as %23, @ as %40 and % as %25")
	}
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return nil, failed.Err
	}
	return u, err
}
