package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/view"
)

// clusterFlags are those of every command that reads an inventory.
type clusterFlags struct {
	cluster   string
	vars      []string
	varFiles  []string
	acceptNew bool
	accept    []string
	lockWait  time.Duration
	stats     bool
	timeout   time.Duration
	holdLast  bool
	yes, full bool
	warns     bool   // warnings about the inventory concern what the command does
	observer  string // where an observer's certificate lies; "": in the usual place, if there is one
	noSSH     bool
}

// inventoryFlags are for commands that only read the file.
func (f *clusterFlags) inventoryFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.vars, "var", nil, "set a variable: NAME=VALUE (repeatable)")
	cmd.Flags().StringArrayVar(&f.varFiles, "var-file", nil, "read variables from a file (repeatable, later wins)")
	cmd.Flags().StringVar(&f.cluster, "cluster", "", "the cluster to work on, where the inventory holds several")
}

// hostFlags are for commands that look at hosts.
func (f *clusterFlags) hostFlags(cmd *cobra.Command) {
	f.inventoryFlags(cmd)
	f.keyFlag(cmd)
	jsonFlag(cmd)
	cmd.Flags().BoolVar(&f.stats, "stats", false,
		"say in the end what each host has cost: connections, sessions, round trips, bytes")
}

// observerFlags are for commands that may look with less than all power.
func (f *clusterFlags) observerFlags(cmd *cobra.Command) {
	f.hostFlags(cmd)
	cmd.Flags().BoolVar(&f.noSSH, "no-ssh", false,
		"ask the members' client ports alone, with an observer's certificate; no host is looked at")
	cmd.Flags().StringVar(&f.observer, "observer", "",
		"the directory with an observer's certificate; else .clusterup/NAME/observer beside the inventory, if there is one")
}

// keyFlag is for commands that reach hosts.
func (f *clusterFlags) keyFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.acceptNew, "accept-new-host-keys", false,
		"trust the key of a host that was never seen before, and remember it")
}

// jsonFlag is for commands with a result that programs read.
func jsonFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("json", false, "write one JSON object a line to stdout") // see given
}

// planFlags are for commands that plan changes.
func (f *clusterFlags) planFlags(cmd *cobra.Command) {
	f.hostFlags(cmd)
	f.warns = true
	cmd.Flags().StringSliceVar(&f.accept, "accept", nil,
		"accept a risk by name: downtime, downgrade, foreign-ca, hops, old-clients, no-auth, drop-grants, shrink; replace:NAME[@ID], remove:NAME[@ID] of a member")
	cmd.Flags().BoolVar(&f.holdLast, "hold-last", false,
		"leave the last member at its minor version, from where one can still turn back")
}

// changeFlags are for commands that change hosts.
func (f *clusterFlags) changeFlags(cmd *cobra.Command) {
	f.planFlags(cmd)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.full, "full", false, "show the whole text of new files, and of journals, as well")
	f.startFlag(cmd)
	f.lockFlags(cmd)
}

// startFlag is for commands that start members.
func (f *clusterFlags) startFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.timeout, "start-timeout", 90*time.Second,
		"how long a member may take to start; reading a large database takes its time")
}

// lockFlags are for commands that take the cluster's lock.
func (f *clusterFlags) lockFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.lockWait, "lock-wait", 0, "how long to wait for another run to end, such as 5m")
}

func (f *clusterFlags) accepted() []plan.Risk {
	risks := make([]plan.Risk, 0, len(f.accept))
	for _, name := range f.accept {
		risks = append(risks, plan.Risk(name))
	}
	return risks
}

// check finds mistakes that only the values show.
func (f *clusterFlags) check() error {
	for _, name := range f.accept {
		named := slices.ContainsFunc(plan.OfMembers(), func(r plan.Risk) bool {
			return strings.HasPrefix(name, string(r)) && name != string(r)
		})
		if of, text, bound := strings.Cut(name, "@"); named && bound {
			var id facts.ID
			if id.UnmarshalText([]byte(text)) != nil || id == 0 || id.String() != text || strings.HasSuffix(of, ":") ||
				strings.HasPrefix(of, string(plan.Gone(""))) {
				return view.Misuse(fmt.Errorf("--accept=%s: write NAME@ID, with the ID as clusterup member list shows it, and of "+
					"%sNAME or %sNAME alone", name, plan.Replace(""), plan.Remove("")))
			}
		}
		if !named && !slices.Contains(plan.Risks(), plan.Risk(name)) {
			return view.Misuse(fmt.Errorf(
				"--accept=%s: there is no such risk; there are: %v; %sNAME and %sNAME of a member, also as NAME@ID; and %sNAME for destroy",
				name, plan.Risks(), plan.Replace(""), plan.Remove(""), plan.Gone("")))
		}
	}
	return nil
}

func (f *clusterFlags) variables() (map[string]string, error) {
	vars := map[string]string{}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, view.Misuse(fmt.Errorf("--var %q: write NAME=VALUE", v))
		}
		vars[name] = value
	}
	return vars, nil
}

// toldFlags are those that say what a run was for. None can hold a secret, as --var can.
var toldFlags = []string{
	"abort", "accept", "address", "client", "end-connections", "hold-last", "member", "pause-after", "peer", "purge", "to",
}

// given checks the flags that were given, and notes those that the journal tells of. A string flag with an empty value
// is a mistake: it most often comes from an unset shell variable, and would count as not given.
func (c *console) given(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		kind, value := f.Value.Type(), f.Value.String()
		switch told := slices.Contains(toldFlags, f.Name); {
		case kind == "string" && value == "":
			err = view.Misuse(fmt.Errorf("--%s is empty: give it a value, or leave it out", f.Name))
		case told && kind == "bool" && value == "true":
			c.told += " --" + f.Name
		case told && kind != "bool":
			c.told += " --" + f.Name + "=" + strings.Trim(value, "[]") // as a list is written
		}
	})
	if err == nil {
		c.JSON, _ = flags.GetBool("json") // not every command has it
	}
	return err
}
