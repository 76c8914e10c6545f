package remote

import (
	"context"
	"fmt"
	"net"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func find(held []ssh.Signer, pub ssh.PublicKey) ssh.Signer {
	i := slices.IndexFunc(held, func(s ssh.Signer) bool { return same(s.PublicKey(), pub) })
	if i < 0 {
		return nil
	}
	return held[i]
}

// agentKeys lists what the agent holds. An agent that is not there is no error.
func (d *Dialer) agentKeys(ctx context.Context, cfg Config, o *offer) []ssh.Signer {
	if !cfg.Agent || d.Env == nil {
		return nil
	}
	socket := d.Env("SSH_AUTH_SOCK")
	if socket == "" {
		o.notes = append(o.notes, "no agent (SSH_AUTH_SOCK is empty)")
		return nil
	}
	var held []ssh.Signer
	client, err := d.dialAgent(ctx, socket)
	if err == nil {
		held, err = client.Signers()
	}
	switch {
	case err != nil:
		o.notes = append(o.notes, err.Error())
	case len(held) == 0:
		o.notes = append(o.notes, "the agent holds no keys")
	}
	return held
}

func (d *Dialer) dialAgent(ctx context.Context, socket string) (agent.ExtendedAgent, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.agent == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, fmt.Errorf("connect to agent: %w", err)
		}
		d.socket, d.agent = conn, agent.NewClient(conn)
	}
	return d.agent, nil
}

// comment is what the agent calls a key.
func comment(s ssh.Signer) string {
	if key, ok := s.PublicKey().(*agent.Key); ok {
		return key.Comment
	}
	return ""
}
