package node

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/pool"
)

// TestFollow is the whole way: a real etcd with permissions on, a real HAProxy, and a follower whose user may do no
// more than it needs.
func TestFollow(t *testing.T) {
	e := startEtcd(t)
	t.Run("beside", func(t *testing.T) {
		for name, run := range map[string]func(*world){
			"ways": ways, "drains": drains, "unproven": unproven, "shrink": shrink, "one-by-one": oneByOne, "swap": swap,
			"adopts": adopts, "garbage": garbage, "thousand": thousand, "by-hand": byHand, "behind": behind,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(newWorld(t, e, name))
			})
		}
	})
	t.Run("away", func(t *testing.T) { away(newWorld(t, e, "away")) }) // kills etcd
}

// A key becomes a server of HAProxy that answers clients, in every backend.
func ways(w *world) {
	w.put("pg-1", w.backend("pg-1"))
	w.follow()
	waitFor(w.t, "pg-1 answers", func() bool { return w.ask() == "pg-1" })
	value := w.backend("pg-2")
	r := w.applied(w.put("pg-2", with(value, `"weight":30,"check":7,"state":"maint"`)))
	if r.Servers["pg-1"] != pool.Ready || r.Servers["pg-2"] != pool.Maint || r.Trouble != "" || r.Away != "" {
		w.t.Errorf("%+v", r)
	}
	if has := w.has(); strings.Count(has, "check 7 weight 30 maint") != 1 || strings.Count(has, "pg-2") != 2 {
		w.t.Error(has)
	}
	w.applied(w.put("pg-2", value))
	waitFor(w.t, "pg-2 answers", func() bool { return w.ask() == "pg-2" })
	waitFor(w.t, "metrics are written", func() bool { return w.metric("applied_revision") == int(w.report().Revision) })
}

// A drained server keeps the clients that it has. So does one whose key is gone, until they are done with it.
func drains(w *world) {
	w.put("pg-1", w.backend("pg-1"))
	two := w.backend("pg-2")
	w.put("pg-2", two)
	w.follow()
	waitFor(w.t, "pg-2 answers", func() bool { return w.ask() == "pg-2" })
	client, name := w.open()
	for name != "pg-2" {
		client.Close()
		client, name = w.open()
	}
	onlyFirst := func() {
		w.t.Helper()
		for range 20 {
			if name := w.ask(); name != "pg-1" {
				w.t.Fatalf("a client got to %q", name)
			}
		}
		if _, err := client.Write([]byte("still there")); err != nil {
			w.t.Error(err)
		}
	}
	w.applied(w.put("pg-2", with(two, `"state":"drain"`)))
	onlyFirst()
	w.applied(w.put("pg-2", two))
	waitFor(w.t, "pg-2 answers again", func() bool { return w.ask() == "pg-2" })
	w.applied(w.do(w.remove("pg-2")))
	onlyFirst()
	if has := w.has(); !strings.Contains(has, "write/pg-2") || strings.Contains(has, "plain/pg-2") {
		w.t.Errorf("with a client on pg-2 of write alone:\n%s", has)
	}
	client.Close()
	waitFor(w.t, "pg-2 is deleted", func() bool { return !strings.Contains(w.has(), "pg-2") })
}

// A server gets no client before a check has succeeded: neither a new one, nor one that has moved.
func unproven(w *world) {
	w.put("pg-1", w.backend("pg-1"))
	two := w.backend("pg-2")
	w.put("pg-2", two)
	w.put("pg-4", w.backend("pg-4"))
	w.put("pg-5", w.backend("pg-5"))
	w.follow()
	waitFor(w.t, "pg-2 answers", func() bool { return w.ask() == "pg-2" })
	_, port, _ := strings.Cut(freePort(w.t), ":")
	stop := w.steady()
	for range 3 {
		w.put("pg-3", server(port))
		w.until("write/pg-3 127.0.0.1:"+port, true)
		w.do(w.remove("pg-3"))
		w.until("pg-3", false)
		w.put("pg-2", with(two, `"state":"maint"`))
		w.until("maint", true)
		w.put("pg-2", server(port))
		w.until("write/pg-2 127.0.0.1:"+port+" check "+port+" weight 100 ready", true)
		w.put("pg-2", two)
		w.until(port, false)
		waitFor(w.t, "pg-2 answers", func() bool { return w.ask() == "pg-2" })
		w.put("pg-2", server(port))
		w.until("write/pg-2 127.0.0.1:"+port+" check "+port+" weight 100 ready", true)
		w.put("pg-2", two)
	}
	if asked, failed := stop(); failed > 0 || asked == 0 {
		w.t.Errorf("%d of %d clients were not answered", failed, asked)
	}
}

// fill makes servers s0 to s(n-1), in one transaction.
func (w *world) fill(n int) (remove []clientv3.Op, revision int64) {
	w.t.Helper()
	value := w.backend("s")
	var put []clientv3.Op
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		put = append(put, clientv3.OpPut(w.keys.Server(name), value))
		remove = append(remove, w.remove(name))
	}
	return remove, w.do(put...)
}

// The pool loses half of its servers at once, but not more; more go when that is confirmed, once; never do all.
func shrink(w *world) {
	remove, revision := w.fill(10)
	w.follow()
	w.applied(revision)
	waitFor(w.t, "a server answers", func() bool { return w.ask() != "" })
	stop := w.steady()
	if r := w.applied(w.do(remove[:5]...)); len(r.Servers) != 5 || r.Held != nil {
		w.t.Errorf("after half was removed: %+v", r)
	}
	r := w.applied(w.do(remove[:8]...))
	if len(r.Servers) != 5 || r.Held == nil || len(r.Held.Servers) != 3 {
		w.t.Fatalf("after three more were removed: %+v", r)
	}
	confirm := r.Held.Confirm
	r = w.applied(w.do(w.confirm("0123456789abcdef")))
	if len(r.Servers) != 5 || r.Held == nil {
		w.t.Errorf("after another pool was confirmed: %+v", r)
	}
	revision = w.do(w.confirm(confirm))
	if r = w.applied(revision); len(r.Servers) != 2 || r.Held != nil || r.Generation != revision {
		w.t.Errorf("after this one was confirmed: %+v", r)
	}
	w.fill(10)
	if r = w.applied(w.do(remove[:8]...)); len(r.Servers) != 10 || r.Held == nil {
		w.t.Errorf("after the same again, with the confirm of before: %+v", r)
	}
	r = w.applied(w.do(append(remove, w.confirm(pool.Digest(nil)))...))
	if len(r.Servers) != 10 || r.Held == nil || r.Held.Confirm != "" {
		w.t.Errorf("after all were removed: %+v", r)
	}
	w.fill(6)
	if r = w.applied(w.do(append(remove[2:6], w.confirm(confirmOf("s0", "s1")))...)); len(r.Servers) != 2 {
		w.t.Errorf("after a change with its confirm: %+v", r)
	}
	if asked, failed := stop(); failed > 0 || asked == 0 {
		w.t.Errorf("%d of %d clients were not answered", failed, asked)
	}
}

func confirmOf(names ...string) string {
	left := map[string]pool.Server{}
	for _, name := range names {
		left[name] = pool.Server{State: pool.Ready, Weight: 1}
	}
	return pool.Digest(left)
}

// Servers that are removed one after the other are removed at once, too.
func oneByOne(w *world) {
	remove, revision := w.fill(10)
	w.follow()
	w.applied(revision)
	for _, op := range remove[:8] {
		revision = w.do(op)
	}
	// How many went before depends on how many were seen at a time.
	if r := w.applied(revision); len(r.Servers) < 5 || r.Held == nil || len(r.Held.Servers) != len(r.Servers)-2 {
		w.t.Errorf("%+v", r)
	}
}

// Without a memory, the pool that HAProxy serves with counts.
func adopts(w *world) {
	value := w.backend("s0")
	port := value[strings.LastIndex(value, ":")+1 : len(value)-1]
	var add []string
	for i := range 5 {
		name := fmt.Sprintf("write/s%d", i)
		add = append(add, fmt.Sprintf("add server %s 127.0.0.1:%s weight 100;enable server %s", name, port, name))
	}
	waitFor(w.t, "HAProxy has servers of its own", func() bool {
		_, err := w.socket.Send(w.t.Context(), add)
		return err == nil && strings.Contains(w.has(), "s4")
	})
	revision := w.put("s0", value)
	w.follow()
	if r := w.applied(revision); len(r.Servers) != 5 || r.Held == nil || r.Held.Confirm != confirmOf("s0") {
		w.t.Fatalf("%+v\n%s", r, w.has())
	}
	w.applied(w.do(w.confirm(confirmOf("s0"))))
	waitFor(w.t, "one server is left", func() bool { return strings.Count(w.has(), "write/") == 1 })
}

// Keys that are not as they must be are refused, and named; their servers stay as they are.
func garbage(w *world) {
	one := w.backend("pg-1")
	w.put("pg-1", one)
	w.follow()
	waitFor(w.t, "pg-1 answers", func() bool { return w.ask() == "pg-1" })
	stop := w.steady()
	before := w.has()
	bad := map[string]string{
		"pg-1":                                   `{"address":"127.0.0.1;set server write/pg-1 state maint","port":1}`,
		"pg-2":                                   `{"address":"127.0.0.1\nset server write/pg-1 state maint","port":1}`,
		"pg-3":                                   `{"address":"127.0.0.1","port":"1;disable frontend write"}`,
		"pg-4":                                   `{"address":"10.0.0.1","port":1}`, // in none of the networks
		"pg-5":                                   strings.Repeat(" ", 100_000) + one,
		"pg-6":                                   with(one, `"state":"ready;disable frontend write"`),
		"pg-7":                                   "\x00\xff",
		"pg-8;disable frontend write":            one,
		"pg-9\nset server write/pg-1 state":      one,
		"pg-9 127.0.0.1:1;disable frontend":      one,
		"../pg-1":                                one,
		"":                                       one,
		strings.Repeat("x", 64):                  one,
		"\x1b[31mred\xff" + string(rune(0x202e)): one,
	}
	var revision int64
	for name, value := range bad {
		revision = w.put(name, value)
	}
	_, err := w.etcd.root.Put(w.t.Context(), w.keys.Generation(), `{"confirm":"all"}`)
	ok(w.t, err)
	r := w.applied(revision + 1)
	if len(r.Refused) != len(bad)+1 || len(r.Servers) != 1 || r.Trouble != "" {
		w.t.Errorf("%+v", r)
	}
	for _, refused := range r.Refused {
		if refused.Why == "" || strings.ContainsAny(refused.Server+refused.Why, "\n\x1b\x00\u202e") {
			w.t.Errorf("%+v", refused)
		}
	}
	if after := w.has(); after != before {
		w.t.Errorf("HAProxy has now\n%s\nand had\n%s", after, before)
	}
	for name := range bad {
		w.do(w.remove(name))
	}
	r = w.applied(w.do(clientv3.OpPut(w.keys.Server("pg-1"), one), w.confirm(confirmOf("pg-1"))))
	if len(r.Refused) != 0 {
		w.t.Errorf("%+v", r.Refused)
	}
	if asked, failed := stop(); failed > 0 || asked == 0 {
		w.t.Errorf("%d of %d clients were not answered", failed, asked)
	}
}

// Servers that move all at once, or that others take the place of, serve until one of those is up.
func swap(w *world) {
	_, revision := w.fill(4)
	w.follow()
	w.applied(revision)
	waitFor(w.t, "a server answers", func() bool { return w.ask() != "" })
	stop := w.steady()
	remove, revision := w.fill(4) // at another port
	if r := w.applied(revision); len(r.Kept) > 0 {
		w.t.Errorf("%+v", r)
	}
	fresh := w.backend("t")
	for i := range 4 {
		remove = append(remove, clientv3.OpPut(w.keys.Server(fmt.Sprintf("t%d", i)), fresh))
	}
	w.applied(w.do(remove...))
	waitFor(w.t, "the new ones answer", func() bool { return w.ask() == "t" })

	_, port, _ := strings.Cut(freePort(w.t), ":")
	var dead []clientv3.Op
	for i := range 4 {
		dead = append(dead, clientv3.OpPut(w.keys.Server(fmt.Sprintf("t%d", i)), server(port)))
	}
	w.do(dead...)
	waitFor(w.t, "servers are kept", func() bool { r := w.report(); return len(r.Kept) == 2 && r.Held == nil })
	if asked, failed := stop(); failed > 0 || asked == 0 {
		w.t.Errorf("%d of %d clients were not answered", failed, asked)
	}
}

// A thousand changes as fast as they can be made: HAProxy comes to the last one, and is not asked for each.
func thousand(w *world) {
	_, revision := w.fill(20)
	w.follow()
	w.applied(revision)
	value := w.backend("s")
	stop := w.steady()
	begin := time.Now()
	var hands sync.WaitGroup
	for hand := range 10 { // each has two servers
		hands.Go(func() {
			for i := hand; i < 1000; i += 10 {
				w.put(fmt.Sprintf("s%d", i%20), nth(value, i))
			}
		})
	}
	hands.Wait()
	revision = w.do(w.confirm(confirmOf("s0")))
	made := time.Since(begin)
	r := w.applied(revision)
	w.t.Logf("made in %s, applied %s later", made, time.Since(begin)-made)
	if len(r.Servers) != 20 || r.Held != nil {
		w.t.Errorf("%+v", r)
	}
	has := w.has()
	for i := 980; i < 1000; i++ {
		if want := fmt.Sprintf("weight %d %s", 1+i%50, states[i%5]); !strings.Contains(has, want) {
			w.t.Errorf("HAProxy has no server with %s:\n%s", want, has)
		}
	}
	if asked, failed := stop(); failed > 0 || asked == 0 {
		w.t.Errorf("%d of %d clients were not answered", failed, asked)
	}
}

var states = []string{"ready", "ready", "drain", "ready", "maint"}

func nth(value string, i int) string {
	return with(value, fmt.Sprintf(`"weight":%d,"state":"%s"`, 1+i%50, states[i%5]))
}

// Changes by hand in HAProxy are put right; checks that are switched off for a server in use stay off.
func byHand(w *world) {
	w.put("pg-1", w.backend("pg-1"))
	w.put("pg-2", w.backend("pg-2"))
	w.follow()
	waitFor(w.t, "pg-2 answers", func() bool { return w.ask() == "pg-2" })
	before := w.has()
	_, err := w.socket.Send(w.t.Context(), []string{
		"set server write/pg-1 state maint", "set server write/pg-2 weight 3", "set server plain/pg-1 state drain",
		"disable health write/pg-2",
	})
	ok(w.t, err)
	waitFor(w.t, "all is as before", func() bool { return w.has() == before })
	seen, err := w.socket.Look(w.t.Context())
	ok(w.t, err)
	for _, s := range seen {
		if s.Backend == "write" && s.Checking != (s.Name == "pg-1") {
			w.t.Errorf("checking: %+v", s)
		}
	}
}

// A follower that was cut off from etcd lists anew; that what it missed is compacted by then is no matter.
func behind(w *world) {
	line := newLine(w.t, strings.TrimPrefix(w.etcd.endpoint, "https://"))
	w.cfg.Endpoints = []string{"https://" + line.address}
	one := w.backend("pg-1")
	w.put("pg-1", one)
	w.follow()
	waitFor(w.t, "pg-1 answers", func() bool { return w.ask() == "pg-1" })
	line.cut()
	var revision int64
	for i := range 20 {
		revision = w.put("pg-1", with(one, fmt.Sprintf(`"weight":%d`, 1+i)))
	}
	_, err := w.etcd.root.Compact(w.t.Context(), revision)
	ok(w.t, err)
	if strings.Contains(w.has(), "weight 20") {
		w.t.Error("the line was not cut")
	}
	line.mend()
	begin := time.Now()
	w.until("weight 20", true)
	w.t.Logf("followed %s after the line was mended", time.Since(begin))
	w.applied(revision)
}

// While etcd is away the last state stays, whatever is restarted; when it is back, its keys are followed at once.
func away(w *world) {
	one, two := w.backend("pg-1"), w.backend("pg-2")
	w.put("pg-1", one)
	w.put("pg-2", two)
	w.follow()
	waitFor(w.t, "pg-2 answers", func() bool { return w.ask() == "pg-2" })
	waitFor(w.t, "the state is kept", func() bool {
		k, err := loadState(w.cfg.State, "away")
		return err == nil && len(k.Servers) == 2
	})
	if info, err := os.Stat(w.cfg.State); err != nil || info.Mode().Perm() != 0o600 {
		w.t.Errorf("%v, %v", info, err)
	}
	stop := w.steady()
	w.etcd.kill()
	waitFor(w.t, "the follower has noticed", func() bool { return strings.Contains(w.log.String(), "etcd: ") })
	if asked, failed := stop(); failed > 0 || asked == 0 {
		w.t.Errorf("%d of %d clients were not answered", failed, asked)
	}
	bothAnswer := func(when string) {
		w.t.Helper()
		got := map[string]bool{}
		waitFor(w.t, "both answer "+when, func() bool { got[w.ask()] = true; return got["pg-1"] && got["pg-2"] })
	}
	w.restartHAProxy()
	bothAnswer("after a restart of HAProxy")
	w.stop()
	w.restartHAProxy()
	w.follow()
	bothAnswer("after a restart of both")

	w.etcd.start(w.t)
	var revision int64
	waitFor(w.t, "etcd takes a change", func() bool {
		r, err := w.etcd.root.Put(w.t.Context(), w.keys.Server("pg-2"), with(two, `"weight":77`))
		if err == nil {
			revision = r.Header.Revision
		}
		return err == nil
	})
	begin := time.Now()
	w.until("weight 77", true)
	w.t.Logf("followed %s after etcd took the change", time.Since(begin))
	w.applied(revision)
}
