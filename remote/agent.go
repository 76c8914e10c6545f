package remote

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyring holds what was opened once for the whole run.
type keyring struct {
	mu     sync.Mutex
	opened map[string]ssh.Signer // by file; the encrypted ones
	agent  agent.ExtendedAgent
	conn   net.Conn
}

func (r *keyring) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn, r.agent = nil, nil
	return err
}

type agentKey struct {
	signer  ssh.Signer
	comment string
}

func find(held []agentKey, pub ssh.PublicKey) ssh.Signer {
	for _, key := range held {
		if string(key.signer.PublicKey().Marshal()) == string(pub.Marshal()) {
			return key.signer
		}
	}
	return nil
}

// agentKeys lists what the agent holds. An agent that is not there is no error.
func (d *Dialer) agentKeys(ctx context.Context, cfg Config, o *offer) []agentKey {
	if !cfg.Agent || d.Env == nil {
		return nil
	}
	socket := d.Env("SSH_AUTH_SOCK")
	if socket == "" {
		o.notes = append(o.notes, "no agent (SSH_AUTH_SOCK is empty)")
		return nil
	}
	client, err := d.keys.dialAgent(ctx, socket)
	if err != nil {
		o.notes = append(o.notes, err.Error())
		return nil
	}
	keys, err := client.List()
	if err != nil {
		o.notes = append(o.notes, fmt.Sprintf("list agent keys: %v", err))
		return nil
	}
	signers, err := client.Signers()
	if err != nil {
		o.notes = append(o.notes, fmt.Sprintf("list agent keys: %v", err))
		return nil
	}
	if len(signers) == 0 {
		o.notes = append(o.notes, "the agent holds no keys")
	}
	held := make([]agentKey, len(signers))
	for i, s := range signers {
		held[i] = agentKey{signer: s}
		if i < len(keys) {
			held[i].comment = keys[i].Comment
		}
	}
	return held
}

func (r *keyring) dialAgent(ctx context.Context, socket string) (agent.ExtendedAgent, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agent != nil {
		return r.agent, nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to agent: %w", err)
	}
	r.conn, r.agent = conn, agent.NewClient(conn)
	return r.agent, nil
}
