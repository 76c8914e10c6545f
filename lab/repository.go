package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// repository is a folder that apt installs from: the packages that were asked for, and what they need beyond an image.
// It never changes: other packages make another one.
type repository struct {
	suite, image string // an image of ensureBase
	packages     []string
	cache        string // the folder of all repositories
	source       string // the archive, as a line of sources.list
}

// repositoryVersion changes when fill does something else than before.
const repositoryVersion = "1"

func (r repository) dir() string {
	h := sha256.New()
	fmt.Fprintln(h, repositoryVersion, filepath.Base(r.image), r.packages)
	return filepath.Join(r.cache, r.suite+"-"+hex.EncodeToString(h.Sum(nil))[:8])
}

// apt is a file of apt's own folder for the suite, which takes the place of the machine's /var/lib/apt and
// /var/cache/apt.
func (r repository) apt(name string) string { return filepath.Join(r.cache, r.suite+".apt", name) }

// ensure makes the repository unless it is there. Labs that ask at the same time wait for the one that makes it.
func (r repository) ensure(ctx context.Context, log *progress) error {
	if _, err := os.Stat(r.dir()); err == nil {
		return nil
	}
	held, err := lock(ctx, filepath.Join(r.cache, r.suite+".lock"))
	if err != nil {
		return err
	}
	defer held.Close() // and not Unlock: an apt-get that has outlived its end keeps the lock
	if _, err := os.Stat(r.dir()); err == nil {
		return nil
	}
	log.line("%s: fetching %s, and what they need (once)", r.suite, strings.Join(r.packages, ", "))
	partial := r.dir() + ".partial"
	if err := removeTree(partial); err != nil { // somebody was killed here
		return err
	}
	if err := r.fill(ctx, partial, held); err != nil {
		return fmt.Errorf("fetch packages for %s: %w", r.suite, errors.Join(err, removeTree(partial)))
	}
	return os.Rename(partial, r.dir())
}

func (r repository) fill(ctx context.Context, dir string, held durable.Held) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if _, err := r.run(ctx, held, "apt-get", "-qq", "update"); err != nil {
		return err
	}
	known, err := r.run(ctx, held, "apt-cache", "pkgnames")
	if err != nil {
		return err
	}
	if none := missing(r.packages, known); len(none) > 0 {
		return fmt.Errorf("%s has no package %s", r.suite, strings.Join(none, ", "))
	}
	get := append([]string{"apt-get", "-q", "-y", "--download-only", "install"}, r.packages...)
	if _, err := r.run(ctx, held, get...); err != nil {
		return err
	}
	return publish(ctx, r.apt("archives"), dir, r.suite)
}

// prepare has apt see a machine on which nothing but the image is installed.
func (r repository) prepare(ctx context.Context) error {
	arch, err := run(ctx, "", "dpkg", "--print-architecture")
	if err != nil {
		return err
	}
	status, err := os.ReadFile(filepath.Join(r.image, "var/lib/dpkg/status"))
	if err != nil {
		return err
	}
	if err := removeTree(r.apt("archives")); err != nil { // what others asked for
		return err
	}
	for _, d := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(r.apt(d), 0o755); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(aptConfig, r.apt(""), strings.TrimSpace(string(arch)))
	return errors.Join(
		os.WriteFile(r.apt("status"), status, 0o644),
		os.WriteFile(r.apt("sources.list"), []byte(r.source+"\n"), 0o644),
		os.WriteFile(r.apt("apt.conf"), []byte(config), 0o644),
	)
}

// aptConfig is read after the machine's own, of which proxies and the like stay; hooks for the machine's lists and
// preferences for its packages do not. It takes apt's folder and the architecture.
const aptConfig = `#clear APT::Update;
#clear APT::Architectures;
#clear APT::Default-Release;
APT::Architectures { "%[2]s"; };
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Dir::State "%[1]s";
Dir::State::lists "lists";
Dir::State::status "%[1]s/status";
Dir::State::extended_states "extended_states";
Dir::Cache "%[1]s";
Dir::Cache::archives "archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
`

// run runs a command of apt, which keeps the lock when this process is killed.
func (r repository) run(ctx context.Context, held durable.Held, argv ...string) (string, error) {
	cmd := command(ctx, append([]string{argv[0], "--config-file=" + r.apt("apt.conf")}, argv[1:]...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+rootPath)
	cmd.ExtraFiles = []*os.File{held.File}
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s: %w%s", argv[0], err, tail(out.String()+errOut.String()))
	}
	return out.String(), nil
}

// missing are the names that are not among the lines of known.
func missing(names []string, known string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return strings.Contains("\n"+known, "\n"+n+"\n")
	})
}

// publish moves the packages in one folder to another, and writes their index there.
func publish(ctx context.Context, from, to, suite string) error {
	debs, err := durable.Matching(from, "*.deb")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(to, 0o755); err != nil { //nolint:gosec // whatever the umask is: apt reads it as a user of its own
		return err
	}
	var index strings.Builder
	for _, deb := range debs {
		stanza, err := stanzaOf(ctx, deb)
		if err != nil {
			return err
		}
		index.WriteString(stanza)
		if err := os.Rename(deb, filepath.Join(to, publicName(deb))); err != nil {
			return err
		}
	}
	return errors.Join(
		durable.Write(filepath.Join(to, "Packages"), []byte(index.String()), 0o644),
		durable.Write(filepath.Join(to, "Release"), []byte(releaseOf(suite, index.String(), time.Now())), 0o644))
}

// publicName is the name of a package without the escaped colon of apt's cache, which would be escaped again.
func publicName(deb string) string { return strings.ReplaceAll(filepath.Base(deb), "%3a", ":") }

// stanzaOf is what an index has of a package: its own control file, and where and what the package is.
func stanzaOf(ctx context.Context, deb string) (string, error) {
	control, err := run(ctx, "", "dpkg-deb", "--field", deb)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(deb)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s\nFilename: ./%s\nSize: %d\nSHA256: %x\n\n", strings.TrimSpace(string(control)), publicName(deb),
		len(b), sha256.Sum256(b)), nil
}

// releaseOf describes the index. Without a date apt warns of the file.
func releaseOf(suite, index string, now time.Time) string {
	return fmt.Sprintf("Origin: clusterup lab\nCodename: %s\nDate: %s\nSHA256:\n %x %d Packages\n", suite,
		now.UTC().Format(time.RFC1123), sha256.Sum256([]byte(index)), len(index))
}
