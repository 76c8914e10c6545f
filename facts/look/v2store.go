package look

import (
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

const (
	// noV2Content is what etcdutl says when it looked and found nothing (etcdutl/etcdutl/check_command.go). Its exit
	// code alone does not tell: an etcdutl that knows "check" but not "v2store" prints its help and exits with 0.
	noV2Content = "No custom content found in both v2store and WAL records."

	maxV2Words = 500 // bytes

	oldRequests = "the write-ahead log holds requests of etcd 3.5, and no raft snapshot since then covers them"
)

func (p *parser) readV2Store(f []string) error {
	var code int
	if err := lines.Number(&code, f[0]); err != nil {
		return err
	}
	text := strings.TrimSpace(strings.ToValidUTF8(f[1], "?"))
	found := facts.V2Store{Clean: code == 0 && strings.Contains(text, noV2Content), Text: text}
	if len(found.Text) > maxV2Words {
		found.Text = strings.ToValidUTF8(found.Text[:maxV2Words], "")
	}
	p.host.V2Store = &found
	return nil
}

// readV2Log is about a 3.6 member: its log may go back to requests that 3.5 wrote.
func (p *parser) readV2Log(f []string) error {
	p.host.V2Store = &facts.V2Store{Clean: f[0] == ""}
	if f[0] != "" {
		p.host.V2Store.Text = oldRequests
	}
	return nil
}
