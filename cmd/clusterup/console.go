package main

import (
	"context"
	"os"
	"os/user"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/view"
)

// console is the terminal of a run, and what is kept of its command line.
type console struct {
	*view.Console
	base context.Context // of the whole run, for questions from callbacks that are given none
	told string          // the flags that the journal tells of
}

// dialer is the SSH side of a run.
func (c *console) dialer(flags clusterFlags) *remote.Dialer {
	d := &remote.Dialer{
		Env: os.Getenv, Home: homeDir(), AcceptNewHostKeys: flags.acceptNew,
		Notice: func(host, notice string) { c.Say("note: %s: %s", host, notice) },
	}
	if c.Terminal() {
		d.Ask, d.Passphrase = c.Yes, c.Passphrase
	}
	return d
}

// homeDir is what HOME says, else the user database, as for ssh: a system unit has no HOME. It is "" where neither
// knows one; then there are no usual key files, and "~/" is an error in the inventory, which says so.
func homeDir() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// read reads an inventory, or takes its text as given.
func read(path string, text []byte, flags clusterFlags) (file *inventory.File, diags inventory.Diagnostics, err error) {
	vars, err := flags.variables()
	if err != nil {
		return nil, diags, err
	}
	options := inventory.Options{Vars: vars, VarFiles: flags.varFiles, Env: os.Environ(), Home: homeDir()}
	if text == nil {
		file, diags = inventory.Load(path, options)
	} else {
		file, diags = inventory.Parse(text, path, options)
	}
	return file, diags, nil
}

// load reads the inventory, or takes its text as given, and shows what is wrong with it.
func (c *console) load(path string, text []byte, flags clusterFlags) (*inventory.Cluster, error) {
	file, diags, err := read(path, text, flags)
	if err != nil {
		return nil, err
	}
	if (flags.warns || diags.HasErrors()) && len(diags.All()) > 0 {
		if err := c.mistakes(diags); err != nil {
			return nil, err
		}
		if !c.JSON {
			c.Say("")
		}
	}
	if diags.HasErrors() {
		return nil, view.ErrInventory
	}
	cluster, err := file.Cluster(flags.cluster)
	if err != nil {
		return nil, view.Misuse(err)
	}
	return cluster, nil
}

// diagnosticObject is one mistake or warning with --json.
type diagnosticObject struct {
	Type string `json:"type"`
	inventory.Diagnostic
}

// mistakes shows what is wrong with an inventory.
func (c *console) mistakes(diags inventory.Diagnostics) error {
	if !c.JSON {
		return c.Written(diags.Write)
	}
	for _, d := range diags.All() {
		c.Object(diagnosticObject{"diagnostic", d})
	}
	return nil
}
