package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
	"github.com/clusterup/clusterup/view"
)

// savedPlan is a plan in a file: what was shown, and the digest of what it rests on.
type savedPlan struct {
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

// savePlan writes the plan, readable by nobody else, and never over anything but another plan.
func (s *session) savePlan(path string, p plan.Plan, seen facts.Snapshot) error {
	inventory, err := filepath.Abs(s.file)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	files := make([]string, 0, len(s.flags.varFiles))
	for _, file := range s.flags.varFiles {
		if file, err = filepath.Abs(file); err != nil {
			return fmt.Errorf("save plan: %w", err)
		}
		files = append(files, file)
	}
	vars, err := s.flags.variables()
	if err != nil {
		return err
	}
	saved := savedPlan{
		Type: savedType, Format: savedFormat, Inventory: inventory, Cluster: s.cluster.Name, VarFiles: files,
		Accept: s.flags.accept, HoldLast: s.flags.holdLast, Plan: p,
	}
	if saved.Variables, err = saveVars(vars); err != nil {
		return err
	}
	if saved.Digest, err = p.Digest(); err != nil {
		return err
	}
	if saved.Facts, err = factsDigest(seen); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(saved, "", " ")
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	if old, err := readPlan(path); err == nil && old == nil {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("save plan: %s is there already, and is no plan: choose another name", path)
		}
	}
	if err := durable.Write(path, raw, 0o600); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	s.console.Say("The plan is saved; run it with: clusterup apply %s", path)
	return nil
}

// readPlan reads a saved plan; nil when the file is something else, such as an inventory.
func readPlan(path string) (*savedPlan, error) {
	raw, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil, nil // whoever reads the inventory says what is wrong with the file
	}
	var saved savedPlan
	if err := json.Unmarshal(raw, &saved); err != nil || saved.Type != savedType {
		return nil, nil
	}
	return &saved, nil
}

// flags are those that the plan was made with, and the values of its variables, given again; how to wait and to speak
// is this run's own.
func (p *savedPlan) flags(now clusterFlags) (clusterFlags, error) {
	if p.Format != savedFormat {
		return now, view.Misuse(errors.New("another version of clusterup has saved this plan: " +
			"delete it, and save a new one with plan --out"))
	}
	vars, err := now.variables()
	if err != nil {
		return now, err
	}
	now.cluster, now.varFiles, now.accept = p.Cluster, p.VarFiles, append(now.accept, p.Accept...)
	now.holdLast = now.holdLast || p.HoldLast
	return now, p.Variables.check(vars)
}

// movedDark says that other hosts are dark than when the plan was made. It is apply.ErrMoved.
type movedDark struct{ back, gone []string }

func (e *movedDark) Error() string {
	const look = ": look at the new plan, and save it again"
	if len(e.gone) > 0 {
		return strings.Join(e.gone, ", ") + " cannot be looked at, and could be when this plan was saved" + look
	}
	return "this plan was saved while " + strings.Join(e.back, ", ") + " could not be looked at, and now that is over" + look
}

func (*movedDark) Is(target error) bool { return target == apply.ErrMoved }

// check says whether the same look leads to the same plan. It does so only while the same hosts are dark.
func (p *savedPlan) check(now plan.Plan, seen facts.Snapshot) error {
	less := func(all, some []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(host string) bool { return slices.Contains(some, host) })
	}
	if moved := (&movedDark{back: less(p.Plan.Dark, now.Dark), gone: less(now.Dark, p.Plan.Dark)}); len(moved.back)+len(moved.gone) > 0 {
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

// factsDigest is over all that decides, and leaves out what changes by itself from one look to the next.
func factsDigest(s facts.Snapshot) (string, error) {
	hosts := map[string]facts.Host{}
	for name, host := range s.Hosts {
		if host.Unreachable != "" { // each time it may be for another reason
			host = facts.Host{Name: name, Unreachable: "dark"}
		}
		host.ClockOffset, host.Rooms, host.EtcdError, host.ReadError = 0, nil, "", ""
		host.Unread, host.Sources, host.Run = nil, nil, "" // addresses for privacy change by themselves
		if host.Etcd != nil {
			host.Etcd = &facts.Status{
				ClusterID: host.Etcd.ClusterID, MemberID: host.Etcd.MemberID, Version: host.Etcd.Version, Downgrade: host.Etcd.Downgrade,
			}
		}
		host.Serves = served(host.Serves)
		if host.V2Store != nil {
			host.V2Store = &facts.V2Store{Clean: host.V2Store.Clean}
		}
		hosts[name] = host
	}
	raw, err := json.Marshal(struct {
		Operator facts.Operator
		Hosts    map[string]facts.Host
		Members  []facts.Member
		Alarms   []facts.Alarm
	}{s.Operator, hosts, s.Members, s.Alarms})
	if err != nil {
		return "", fmt.Errorf("digest facts: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// served leaves out what could not be seen.
func served(all map[string][]facts.Served) map[string][]facts.Served {
	kept := map[string][]facts.Served{}
	for role, views := range all {
		for _, view := range views {
			if view.SHA256 != "" {
				kept[role] = append(kept[role], facts.Served{From: view.From, SHA256: view.SHA256, Name: view.Name})
			}
		}
	}
	return kept
}
