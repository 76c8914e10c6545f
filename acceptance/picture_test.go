package acceptance

import (
	"encoding/base64"
	wire "encoding/binary"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
)

// pictureScript prints, a line each and with tabs between: the head of every first WAL file, birth markers, keys,
// secrets in the journal, and every file in the places where clusterup writes. Other files within member/wal and
// member/snap are etcd's own affair. No command line of it looks like a key itself.
const pictureScript = `
cd /
for f in $(find /var/lib/etcd* -path '*/wal/0000000000000000-0000000000000000.wal' 2>/dev/null); do
  printf 'wal\t%s\t%s\n' "$f" "$(head -c 256 "$f" | base64 -w 0)"
done
for f in /etc/etcd/*/born.json; do [ ! -f "$f" ] || printf 'born\t%s\t%s\n' "$f" "$(base64 -w 0 "$f")"; done
grep -rlI --exclude-dir=ssh --exclude-dir=.ssh 'PRIVATE[ ]KEY' /etc /opt /var /tmp /run /root /home /dev/shm /usr/local 2>/dev/null | while read -r f; do
  printf 'key\t%s\t%s\t%s\n' "$f" "$(stat -c '%a %U:%G' "$f")" "$(base64 -w 0 "$f")"
  printf '%s\n' "$(sed -n 2p "$f")" >>/dev/shm/keys
done
journalctl --no-pager -o cat >/dev/shm/journal
printf 'PRIVATE KEY\n' >>/dev/shm/keys
grep -F -f /dev/shm/keys /dev/shm/journal | while read -r line; do printf 'leak\t%s\n' "$line"; done
rm -f /dev/shm/keys /dev/shm/journal
find /etc /opt /var/lib/etcd* /usr/local /root /home /tmp /var/tmp /run/clusterup -path '*/member/*/*' -prune -o ! -path '*/systemd-private-*' \
  -printf 'file\t%p\t%y %m %u:%g\n' 2>/dev/null
true
`

// picture is what lies on one host.
type picture struct {
	heads  map[string]head   // of write-ahead logs, by path: of members that live or have lived here
	births []birth           // markers
	keys   map[string]string // files with private keys, and their mode and owner
	files  map[string]string // type, mode and owner, by path; what is drawn at random in names is blanked
}

type head struct{ member, cluster uint64 }

type birth struct {
	ClusterID string `json:"cluster_id"`
	MemberID  string `json:"member_id"`
}

// random are the parts of names that differ from run to run: serial numbers, digests, times.
var random = regexp.MustCompile(`[0-9a-f]{8,}|aside-[0-9TZ]+`)

// look takes the picture of a host, and keeps the keys found in mind, so that they can be searched for in what was
// said.
func (s *stand) look(t *testing.T, host string) picture {
	t.Helper()
	p := picture{heads: map[string]head{}, keys: map[string]string{}, files: map[string]string{}}
	for line := range strings.Lines(s.on(t, host, pictureScript)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case f[0] == "wal" && len(f) == 3:
			h, err := readHead(decode(t, f[2]))
			if err != nil {
				t.Fatalf("%s: %s: %v", host, f[1], err)
			}
			p.heads[f[1]] = h
		case f[0] == "born" && len(f) == 3:
			var b birth
			if err := json.Unmarshal(decode(t, f[2]), &b); err != nil {
				t.Fatalf("%s: %s: %v", host, f[1], err)
			}
			p.births = append(p.births, b)
		case f[0] == "key" && len(f) == 4:
			p.keys[f[1]] = f[2]
			key := secretOf(f[1]+" of "+host, decode(t, f[3]))
			s.secrets[key.forms[0]] = key
		case f[0] == "file" && len(f) == 3:
			p.files[random.ReplaceAllString(f[1], "*")] = f[2]
		case f[0] == "leak":
			t.Errorf("the journal of %s holds a key", host)
		default:
			t.Fatalf("%s: cannot read %q", host, line)
		}
	}
	return p
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readHead reads the two records that each WAL file begins with: a checksum, and the metadata with member and cluster
// ID (etcd server/storage/wal/wal.go, Create; walpb.Record; etcdserverpb.Metadata).
func readHead(wal []byte) (head, error) {
	const metadata = 1
	for len(wal) >= 8 {
		frame := wire.LittleEndian.Uint64(wal)
		size, padding := frame&(1<<56-1), uint64(0)
		if frame>>63 == 1 {
			padding = frame >> 56 & 7
		}
		if wal = wal[8:]; size+padding > uint64(len(wal)) {
			break
		}
		record, data := fields(wal[:size])
		if record[1] == metadata {
			ids, _ := fields(data[3])
			return head{member: ids[1], cluster: ids[2]}, nil
		}
		wal = wal[size+padding:]
	}
	return head{}, errors.New("not the head of a WAL file")
}

// fields reads a protocol buffer that has numbers and bytes only.
func fields(message []byte) (numbers map[uint64]uint64, bytes map[uint64][]byte) {
	numbers, bytes = map[uint64]uint64{}, map[uint64][]byte{}
	next := func() uint64 {
		n, size := wire.Uvarint(message)
		message = message[max(0, size):]
		if size <= 0 {
			message = nil
		}
		return n
	}
	for len(message) > 0 {
		const isBytes = 2
		key, value := next(), next()
		if key&7 != isBytes {
			numbers[key>>3] = value
			continue
		}
		size := min(value, uint64(len(message)))
		bytes[key>>3], message = message[:size], message[size:]
	}
	return numbers, bytes
}
