package operator

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// SavedPlan is a plan in a file: what was shown, and the digest of what it rests on.
type SavedPlan struct {
	Type      string     `json:"type"`   // "clusterup-plan"
	Format    int        `json:"format"` // savedFormat
	Inventory string     `json:"inventory"`
	Cluster   string     `json:"cluster"`
	Variables *savedVars `json:"variables,omitempty"`
	VarFiles  []string   `json:"var_files,omitempty"`
	Accept    []string   `json:"accept,omitempty"`
	HoldLast  bool       `json:"hold_last,omitempty"`
	Digest    string     `json:"digest"` // of the plan
	Facts     string     `json:"facts"`  // of what was seen
	Plan      plan.Plan  `json:"plan"`
}

const (
	savedType   = "clusterup-plan"
	savedFormat = 2 // in the first one, values of --var stood in the file
)

// Save writes the plan with the digests of what it rests on, mode 0600. It replaces another plan, and refuses to
// replace any other file. Of the values of variables it saves a digest only, to see whether the same ones are given
// again.
func (p SavedPlan) Save(path string, vars map[string]string, seen facts.Snapshot) error {
	var err error
	if p.Inventory, err = filepath.Abs(p.Inventory); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	p.Type, p.Format, p.VarFiles = savedType, savedFormat, slices.Clone(p.VarFiles)
	for i, file := range p.VarFiles {
		if p.VarFiles[i], err = filepath.Abs(file); err != nil {
			return fmt.Errorf("save plan: %w", err)
		}
	}
	if p.Variables, err = saveVars(vars); err != nil {
		return err
	}
	if p.Digest, err = p.Plan.Digest(); err != nil {
		return err
	}
	if p.Facts, err = factsDigest(seen); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	if old, err := ReadPlan(path); err == nil && old == nil {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("save plan: %s is there already, and is no plan: choose another name", path)
		}
	}
	if err := durable.Write(path, raw, 0o600); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

// Given is nil when vars are those that the plan was made with. Its error says which to give.
func (p *SavedPlan) Given(vars map[string]string) error {
	if p.Format != savedFormat {
		return errors.New("another version of clusterup has saved this plan: delete it, and save a new one with plan --out")
	}
	return p.Variables.check(vars)
}

// ReadPlan reads a saved plan; nil when the file is something else, such as an inventory.
func ReadPlan(path string) (*SavedPlan, error) {
	raw, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil, nil // reading it as an inventory tells what is wrong with it
	}
	var saved SavedPlan
	if err := json.Unmarshal(raw, &saved); err != nil || saved.Type != savedType {
		return nil, nil
	}
	return &saved, nil
}

// movedDark says that other hosts are dark now than when the plan was made. It counts as apply.ErrMoved.
type movedDark struct{ back, gone []string }

func (e *movedDark) Error() string {
	const look = ": look at the new plan, and save it again"
	if len(e.gone) > 0 {
		return strings.Join(e.gone, ", ") + " cannot be looked at, and could be when this plan was saved" + look
	}
	return "this plan was saved while " + strings.Join(e.back, ", ") + " could not be looked at, and now that is over" +
		look
}

func (*movedDark) Is(target error) bool { return target == apply.ErrMoved }

// Check is nil when a look has found the same facts and led to the same plan, with the same hosts dark. Else its error
// is apply.ErrMoved.
func (p *SavedPlan) Check(now plan.Plan, seen facts.Snapshot) error {
	less := func(all, some []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(host string) bool { return slices.Contains(some, host) })
	}
	if moved := (&movedDark{back: less(p.Plan.Dark, now.Dark), gone: less(now.Dark, p.Plan.Dark)}); len(moved.back)+
		len(moved.gone) > 0 {
		return moved
	}
	digest, err := now.Digest()
	if err != nil {
		return err
	}
	sum, err := factsDigest(seen)
	if err != nil {
		return err
	}
	if digest != p.Digest || sum != p.Facts {
		return apply.ErrMoved
	}
	return nil
}

// factsDigest is a digest of the facts that decide. It leaves out facts that change by themselves from one look to the
// next, such as a clock's offset.
func factsDigest(s facts.Snapshot) (string, error) {
	hosts := map[string]facts.Host{}
	for name, host := range s.Hosts {
		if host.Unreachable != "" { // each time it may be for another reason
			host = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "dark"}}
		}
		host.ClockOffset, host.Rooms, host.EtcdError, host.ReadError = 0, nil, "", ""
		host.Unread, host.Sources, host.Run = nil, nil, "" // addresses for privacy change by themselves
		host.Auth = nil                                    // the cluster's decides
		if host.Etcd != nil {
			host.Etcd = &facts.Status{
				ClusterID: host.Etcd.ClusterID, MemberID: host.Etcd.MemberID, Version: host.Etcd.Version,
				Downgrade: host.Etcd.Downgrade,
			}
		}
		host.Serves = served(host.Serves)
		if host.V2Store != nil {
			host.V2Store = &facts.V2Store{Clean: host.V2Store.Clean}
		}
		hosts[name] = host
	}
	nodes := map[string]facts.Node{}
	for name, node := range s.Nodes {
		if node.Unreachable != "" {
			node = facts.Node{Machine: facts.Machine{Name: name, Unreachable: "dark"}}
		}
		node.ClockOffset, node.Unread, node.Run = 0, nil, ""
		nodes[name] = node
	}
	s.Operator.Snapshots = nil // where a fresh one decides, the plan shows it
	var auth *facts.AuthState  // nil: nobody told, which is not off
	if s.Auth != nil {
		auth = &s.Auth.AuthState
	}
	pools := map[string]pool.Wanted{}
	for name, p := range s.Pools {
		p.Revision = 0 // every write of anybody raises it
		pools[name] = p
	}
	raw, err := json.Marshal(struct {
		Operator facts.Operator
		Hosts    map[string]facts.Host
		Members  []facts.Listed
		Alarms   []facts.Alarm
		Auth     *facts.AuthState
		Pools    map[string]pool.Wanted
		Nodes    map[string]facts.Node
	}{s.Operator, hosts, s.Members, s.Alarms, auth, pools, nodes})
	if err != nil {
		return "", fmt.Errorf("digest facts: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(raw)), nil
}

// served leaves out ports of which no certificate could be seen.
func served(all map[string][]facts.Served) map[string][]facts.Served {
	kept := map[string][]facts.Served{}
	for role, views := range all {
		for _, seen := range views {
			if seen.SHA256 != "" {
				kept[role] = append(kept[role], facts.Served{From: seen.From, SHA256: seen.SHA256, Name: seen.Name})
			}
		}
	}
	return kept
}
