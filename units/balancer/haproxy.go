package balancer

import (
	"bytes"
	_ "embed"
	"fmt"
	"net"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/clusterup/clusterup/units"
)

const (
	// HAProxyConfig is the file that Debian's unit of HAProxy reads.
	HAProxyConfig = "/etc/haproxy/haproxy.cfg"
	// HAProxyUnit is Debian's unit of HAProxy, without ".service".
	HAProxyUnit = "haproxy"
	// HAProxySocket is HAProxy's runtime socket, in the folder that Debian's package makes for it.
	HAProxySocket = "/run/haproxy/admin.sock"
	// MetricsPort is the port on 127.0.0.1 where HAProxy has its metrics, so no listen may have it.
	MetricsPort = 8404
)

// metrics is a name that no listen has: theirs have no colon.
const metrics = "clusterup:metrics"

// Form counts the forms in which clusterup writes the files of a node. It grows when a newer clusterup writes one of
// them otherwise by itself, never because of its version alone; [units.WriterOf] reads it.
const Form = 1

//go:embed haproxy.tmpl
var haproxyText string

var haproxyTemplate = template.Must(template.New("haproxy").Funcs(template.FuncMap{
	"text": units.Text,
	"word": word,
	"bind": bind,
}).Parse(haproxyText))

// HAProxy is HAProxy's whole configuration, for 2.6 and newer. It names no server, and needs no reload for one. Facts
// behind its settings; those of HAProxy are in its configuration.txt:
//   - chroot: the runtime socket is bound before it, and Debian's unit mounts /dev/log into it. Its folder is setgid
//     for haproxy, and "group" says the same where it is not.
//   - maxconn: HAProxy needs two file descriptors a session and some more, and does not start under a hard limit that
//     is lower ("strict-limits"). 8000 fit into 16384.
//   - hard-stop-after: after a reload the old process keeps its sessions, for ever where clients pool them (HAProxy
//     issue 228). It checks no more (check.c, process_chk_conn), so no "on-marked-down" ends them, and no key reaches
//     them. In half an hour many a pool has renewed its connections by itself.
//   - option redispatch 1: a connection that a server refuses is tried at once with another one; without it, only the
//     third retry is, after a second for each before.
//   - timeout check: the time for an answer, once a check has connected. "inter" bounds the connecting.
//   - timeout client and server count until a session is connected. From then on "tunnel" does, in place of both:
//     PostgreSQL's pools keep sessions idle over a weekend, and whoever minds has idle_session_timeout.
//   - timeout client-fin and server-fin count instead of "tunnel" once one side has closed: a client that is gone does
//     not keep its server busy.
//   - clitcpka and srvtcpka: two minutes after a peer is dead without a word, its session ends. The kernel alone waits
//     two hours, and firewalls forget idle connections before.
//   - option pgsql-check: the beginning of a login, as that user and with no password. PostgreSQL's question for one
//     is health, also for SCRAM (HAProxy issue 1508; in 2.6.12 and 3.0.11). An error is none, so pg_hba.conf has to let
//     that user come from here without TLS, to the database of the same name, which need not exist.
//   - metrics are for whoever is on the host; a good scrape is not logged.
func HAProxy(n Node) units.File {
	view := struct {
		Node
		Form, MetricsPort int
		Socket, Metrics   string
	}{n, Form, MetricsPort, HAProxySocket, metrics}
	var b bytes.Buffer
	if err := haproxyTemplate.Execute(&b, view); err != nil {
		panic("balancer: haproxy.tmpl does not fit its data: " + err.Error())
	}
	return units.Plain(HAProxyConfig, b.Bytes())
}

// bind is where a port listens. Without an address that is all of IPv4 and IPv6: ":::" takes both with "v4v6", also
// where IPv6 is off by sysctl. A kernel without IPv6 (ipv6.disable=1) has no such sockets, and HAProxy does not start
// there without an address of IPv4.
func bind(address string, port int) string {
	if address == "" {
		return fmt.Sprintf(":::%d v4v6", port)
	}
	return word(net.JoinHostPort(address, strconv.Itoa(port)))
}

const plainInHAProxy = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]"

// word makes a string one word of HAProxy's configuration (configuration.txt, "Quoting and escaping"). Nothing is
// special between single quotes. What an inventory lets through has no control characters: no quotes would keep a line
// from ending there.
func word(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		panic(fmt.Sprintf("balancer: %q cannot be in HAProxy's configuration", s))
	}
	if s != "" && strings.Trim(s, plainInHAProxy) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
