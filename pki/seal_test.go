package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// operator is somebody that keys are sealed to.
type operator struct {
	recipient string
	file      string
}

func ageOperator(t *testing.T) operator {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "age.txt")
	write(t, file, "# created: 2026-11-21\n"+id.String()+"\n")
	return operator{id.Recipient().String(), file}
}

// sshOperator has an OpenSSH key of a kind, encrypted where there is a passphrase.
func sshOperator(t *testing.T, kind, passphrase string) operator {
	t.Helper()
	var public, private any
	var err error
	switch kind {
	case "ed25519":
		public, private, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		var key *rsa.PrivateKey
		key, err = rsa.GenerateKey(rand.Reader, 2048)
		public, private = &key.PublicKey, key
	case "ecdsa":
		var key *ecdsa.PrivateKey
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		public, private = &key.PublicKey, key
	}
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	shown, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "id_"+kind)
	write(t, file, string(pem.EncodeToMemory(block)))
	return operator{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(shown))) + " ops@laptop", file}
}

func sealedTo(t *testing.T, dir string, to ...operator) *Store {
	t.Helper()
	var o Options
	for _, one := range to {
		o.SealTo = append(o.SealTo, one.recipient)
	}
	return openWith(t, dir, o)
}

func openWith(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unlocked opens the directory with the key files of some.
func unlocked(t *testing.T, dir string, by ...operator) *Store {
	t.Helper()
	return openWith(t, dir, Options{Unlock: unlockWith(by...)})
}

func unlockWith(by ...operator) Unlock {
	var u Unlock
	for _, one := range by {
		u.IdentityFiles = append(u.IdentityFiles, one.file)
	}
	return u
}

func caDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ca")
}

func TestSealed(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	operators := map[string]operator{
		"age": ageOperator(t), "ed25519": sshOperator(t, "ed25519", ""), "rsa": sshOperator(t, "rsa", ""),
	}
	s := sealedTo(t, caDir(t), operators["age"], operators["ed25519"], operators["rsa"])
	create(t, s, RolePeer, Spec{})
	if files, _ := filepath.Glob(s.dir + "/peer-1.*"); len(files) != 3 || mode(t, s.dir+"/peer-1.key.age") != 0o600 {
		t.Errorf("there are %v", files)
	}
	data, err := os.ReadFile(s.dir + "/peer-1.key.age")
	if err != nil || !bytes.HasPrefix(data, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) {
		t.Errorf("the key file is not armored: %v\n%s", err, data)
	}
	ca := open(t, s.dir).CAs()[0]
	if !ca.Sealed || !ca.Signing || len(ca.SealedTo) != 3 || slices.Contains(ca.SealedTo, operators["rsa"].recipient) {
		t.Errorf("without unlocking: %+v", ca)
	}
	for name, who := range operators {
		_, leaf := issue(t, unlocked(t, s.dir, who), peerLeaf())
		if err := leaf.CheckSignatureFrom(s.cas[0].cert); err != nil {
			t.Errorf("by %s: %v", name, err)
		}
	}
}

func TestSealedAgainstStrangers(t *testing.T) {
	owner, stranger := sshOperator(t, "ed25519", ""), ageOperator(t)
	s := sealedTo(t, caDir(t), owner)
	create(t, s, RolePeer, Spec{})
	key := sshOperator(t, "ecdsa", "")
	public := operator{file: owner.file + ".pub"}
	write(t, public.file, owner.recipient)
	for name, c := range map[string]struct {
		by   []operator
		says string
	}{
		"nothing":                  {nil, "none was named"},
		"a stranger":               {[]operator{stranger}, "not sealed to this key"},
		"ECDSA":                    {[]operator{key}, "neither an SSH private key (ed25519 or rsa)"},
		"a public key":             {[]operator{public}, "neither an SSH private key"},
		"no file":                  {[]operator{{file: "/nowhere/id"}}, "no such file"},
		"one that others may read": {[]operator{loose(t, owner)}, "has mode 0644, which lets others in: run chmod 0600 "},
		"a locked one":             {[]operator{sshOperator(t, "ed25519", "secret")}, "nobody can be asked"},
	} {
		_, err := unlocked(t, s.dir, c.by...).Issue(peerLeaf(), today, rand.Reader)
		if !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "agent") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Those that are of no use are passed over.
	issue(t, unlocked(t, s.dir, stranger, key, public, operator{file: "/nowhere/id"}, owner), peerLeaf())
}

// loose is an operator whose key file others may read.
func loose(t *testing.T, o operator) operator {
	t.Helper()
	data, err := os.ReadFile(o.file)
	if err != nil {
		t.Fatal(err)
	}
	o.file = filepath.Join(t.TempDir(), "loose")
	write(t, o.file, string(data))
	if err := os.Chmod(o.file, 0o644); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	owner, other := sshOperator(t, "ed25519", "right"), sshOperator(t, "rsa", "other")
	s := sealedTo(t, caDir(t), owner)
	create(t, s, RolePeer, Spec{})
	create(t, s, RoleClient, Spec{})
	cancelled := errors.New("interrupted")
	for name, c := range map[string]struct {
		answers []string
		want    error
		asked   int
	}{
		"second answer": {[]string{"wrong", "right"}, nil, 2},
		"wrong":         {[]string{"a", "b", "c", "right"}, ErrPassphrase, 3},
		"given up":      {nil, cancelled, 1},
	} {
		var asked []string
		u := unlockWith(other, owner)
		u.Passphrase = func(file string) ([]byte, error) {
			asked = append(asked, file)
			if len(c.answers) < len(asked) {
				return nil, cancelled
			}
			return []byte(c.answers[len(asked)-1]), nil
		}
		s := openWith(t, s.dir, Options{Unlock: u})
		if s.CAs(); len(asked) > 0 {
			t.Errorf("%s: asked before anything is signed", name)
		}
		for _, leaf := range []Leaf{peerLeaf(), peerLeaf(), clientLeaf()} {
			_, err := s.Issue(leaf, today, rand.Reader)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil {
				break
			}
		}
		if len(asked) != c.asked || slices.ContainsFunc(asked, func(file string) bool { return file != owner.file }) {
			t.Errorf("%s: asked for %v", name, asked)
		}
	}
}

func TestTampered(t *testing.T) {
	owner := ageOperator(t)
	s := sealedTo(t, caDir(t), owner)
	create(t, s, RolePeer, Spec{})
	create(t, s, RoleClient, Spec{})
	path := filepath.Join(s.dir, "peer-1.key.age")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	another, err := os.ReadFile(filepath.Join(s.dir, "client-1.key.age"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(whole)
	for i := 0; i < len(block.Bytes); i += 7 {
		damaged := bytes.Clone(block.Bytes)
		damaged[i] ^= 1
		write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: damaged})))
		if p, err := unlocked(t, s.dir, owner).Issue(peerLeaf(), today, rand.Reader); err == nil ||
			!strings.Contains(err.Error(), path) {
			t.Fatalf("byte %d changed: %v, %v", i, p, err)
		}
	}
	for name, data := range map[string][]byte{"empty": nil, "half": whole[:len(whole)/2], "that of another CA": another} {
		write(t, path, string(data))
		if p, err := unlocked(t, s.dir, owner).Issue(peerLeaf(), today, rand.Reader); err == nil ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func TestRecipients(t *testing.T) {
	good := sshOperator(t, "ed25519", "").recipient
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		to   []string
		says string
	}{
		"ECDSA":         {[]string{good, sshOperator(t, "ecdsa", "").recipient}, "read recipient 2: "},
		"hardware":      {[]string{"sk-ssh-ed25519@openssh.com AAAA"}, "read recipient 1: "},
		"half":          {[]string{good[:40]}, "read recipient 1: "},
		"nonsense":      {[]string{"ops"}, "read recipient 1: "},
		"a private key": {[]string{secret.String()}, "read recipient 1: "},
		"a comment":     {[]string{"# ops"}, "read recipient 1: "},
		"options":       {[]string{"restrict " + good}, "read recipient 1: "},
		"two lines":     {[]string{"# c\n" + good}, "read recipient 1: "},
		"empty":         {[]string{""}, "read recipient 1: "},
	} {
		_, err := Open(caDir(t), Options{SealTo: c.to})
		if !errors.Is(err, errRecipient) || !strings.Contains(err.Error(), c.says) ||
			strings.Contains(err.Error(), secret.String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := openWith(t, caDir(t), Options{SealTo: []string{good, pq.Recipient().String()}})
	if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); !errors.Is(err, errRecipient) {
		t.Errorf("post-quantum beside others: %v", err)
	}
	if len(s.CAs()) > 0 {
		t.Error("a CA is there")
	}
}

// A directory that holds sealed keys only may come out of version control, which keeps no modes.
func TestModesOfSealed(t *testing.T) {
	owner := ageOperator(t)
	s := sealedTo(t, caDir(t), owner)
	create(t, s, RolePeer, Spec{})
	for path, m := range map[string]os.FileMode{s.dir: 0o755, s.dir + "/peer-1.key.age": 0o644} {
		if err := os.Chmod(path, m); err != nil {
			t.Fatal(err)
		}
	}
	issue(t, unlocked(t, s.dir, owner), peerLeaf())
	if err := os.Chmod(s.dir, 0o775); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir, Options{}); err == nil {
		t.Error("others may write into it")
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unlocked(t, s.dir).Reseal(nil, unlockWith(owner)); err == nil {
		t.Error("written plain where others can look")
	}
	if _, err := unlocked(t, s.dir).Create(RoleClient, "prod", Spec{}, today, rand.Reader); err == nil {
		t.Error("made plain where others can look")
	}
	if files, _ := filepath.Glob(s.dir + "/*.key"); len(files) > 0 {
		t.Errorf("there is %v", files)
	}
}

// Nobody is asked for a passphrase where another key opens it, wherever that stands in the list.
func TestPassphraseInVain(t *testing.T) {
	locked, free := sshOperator(t, "ed25519", "secret"), ageOperator(t)
	s := sealedTo(t, caDir(t), locked, free)
	create(t, s, RolePeer, Spec{})
	u := unlockWith(locked, free)
	u.Passphrase = func(file string) ([]byte, error) {
		t.Errorf("asked for %s", file)
		return nil, errors.New("no")
	}
	issue(t, openWith(t, s.dir, Options{Unlock: u}), peerLeaf())
}

// A plain key beside a sealed one is a leak that has to be seen, and Reseal takes it away.
func TestPlainBesideSealed(t *testing.T) {
	ops, plain := ageOperator(t), newStore(t, Spec{})
	before := readFile(t, filepath.Join(plain.dir, "peer-1.key"))
	if err := plain.Reseal([]string{ops.recipient}, Unlock{}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(plain.dir, "peer-1.key"), string(before))
	s := unlocked(t, plain.dir, ops)
	if ca := s.CAs()[0]; !ca.Sealed || ca.SealedTo != nil || s.IsSealedTo([]string{ops.recipient}) {
		t.Errorf("%+v", ca)
	}
	if _, err := open(t, plain.dir).Issue(peerLeaf(), today, rand.Reader); !errors.Is(err, ErrSealed) {
		t.Errorf("signed without unlocking: %v", err)
	}
	if err := s.Reseal([]string{ops.recipient}, unlockWith(ops)); err != nil {
		t.Fatal(err)
	}
	if err := leftovers(plain.dir, true); err != nil || !s.IsSealedTo([]string{ops.recipient}) {
		t.Error(err, s.CAs()[0])
	}
}

// A key that a killed Create left must not be taken for that of the next CA, and must not stay.
func TestCreateOverKeysOfTheOtherKind(t *testing.T) {
	ops := ageOperator(t)
	for file, o := range map[string]Options{"peer-1.key.age": {}, "peer-1.key": {SealTo: []string{ops.recipient}}} {
		dir := caDir(t)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, file), "left")
		s := openWith(t, dir, o)
		create(t, s, RolePeer, Spec{})
		if err := leftovers(dir, len(o.SealTo) > 0); err != nil || s.CAs()[0].Sealed != (len(o.SealTo) > 0) {
			t.Errorf("%s: %v %+v", file, err, s.CAs()[0])
		}
		issue(t, unlocked(t, dir, ops), peerLeaf())
	}
}

// A stream that was sealed is opened by each recipient, and by nobody else.
func TestSeal(t *testing.T) {
	ops, dev := sshOperator(t, "ed25519", ""), ageOperator(t)
	plain := bytes.Repeat([]byte("value "), 50_000) // some chunks of age
	var sealed bytes.Buffer
	w, err := Seal(&sealed, []string{ops.recipient, dev.recipient})
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(plain, 7001) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed.Bytes(), []byte("value")) {
		t.Error("it is not sealed")
	}
	opened := func(raw []byte, by operator) ([]byte, error) {
		at, size, err := Unsealer(unlockWith(by))(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.NewSectionReader(at, 0, size))
	}
	for _, by := range []operator{ops, dev} {
		if got, err := opened(sealed.Bytes(), by); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", by.recipient, len(got), err)
		}
	}
	if _, err := opened(sealed.Bytes(), ageOperator(t)); !errors.Is(err, ErrSealed) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := opened(sealed.Bytes()[:sealed.Len()-1], dev); !errors.Is(err, ErrTorn) {
		t.Errorf("cut short: %v", err)
	}
	altered := bytes.Clone(sealed.Bytes())
	altered[len(altered)/2] ^= 1
	if _, err := opened(altered, dev); err == nil {
		t.Error("altered, and opened")
	}
	if _, err := Seal(&sealed, []string{"nobody"}); !errors.Is(err, errRecipient) {
		t.Errorf("to nobody: %v", err)
	}
}
