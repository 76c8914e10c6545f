# The facts of one host: everything in one answer, nothing changed. Lines of fields parted by TABs; see parse.go.
# The lines above this one set: unit conf data wal walflag rel ports v2store v2log
PATH=$PATH:/usr/sbin:/sbin
tab=$(printf '\t')
say() { line=$1; shift; for field; do line=$line$tab$field; done; printf '%s\n' "$line"; }
flat() { base64 | tr -d '\n'; }

say clock "$(date +%s.%N)"
say arch "$(uname -m)" "$(uname -r)"
if [ -r /etc/os-release ]; then say os "$(. /etc/os-release; printf '%s %s' "${ID:-}" "${VERSION_ID:-}")"; fi
if [ -d /run/systemd/system ]; then say systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"; fi
[ -r /etc/machine-id ] && say machine "$(cat /etc/machine-id)"
say boot "$(cat /proc/sys/kernel/random/boot_id)"
say memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
if getent passwd etcd >/dev/null && getent group etcd >/dev/null; then say etcduser yes; fi
for tool in tar gzip sha256sum base64 stat getent useradd flock ss; do
  command -v "$tool" >/dev/null 2>&1 || say missing "$tool"
done

# free DIRECTORY: kilobytes available where it lies or will lie.
free() {
  dir=$1
  while [ ! -d "$dir" ] && [ "$dir" != / ]; do dir=$(dirname "$dir"); done
  df -Pk "$dir" | sed -n '2s/^.* \([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p'
}
say free data "$(free "$data")"
say free opt "$(free "$rel")"

pid=0
if [ -d /run/systemd/system ]; then
  systemctl show "$unit.service" -p LoadState -p ActiveState -p SubState -p UnitFileState -p MainPID \
    -p NeedDaemonReload -p DropInPaths -p NRestarts -p Result | while IFS= read -r line; do say unit "$line"; done
  pid=$(systemctl show "$unit.service" -p MainPID | sed 's/^MainPID=//')
fi
if [ "${pid:-0}" -gt 0 ] 2>/dev/null && exe=$(readlink "/proc/$pid/exe"); then
  sum=
  case $exe in *' (deleted)') sum=$(sha256sum <"/proc/$pid/exe" | cut -d' ' -f1) ;; esac
  say process "$pid" "$(stat -L -c %d:%i "/proc/$pid/exe")" "$exe" "$(flat <"/proc/$pid/cmdline")" "$sum"
fi

unitfile=/etc/systemd/system/$unit.service
# Directories that an operator may have made a symbolic link are followed; nothing else is.
form="file$tab%f$tab%U$tab%G$tab%s$tab%d:%i$tab%n"
stat -L -c "$form" /etc/etcd /opt/clusterup "$data" "$wal" 2>/dev/null
stat -c "$form" "$conf" "$conf"/* "$conf"/tls/* "$conf"/tls/*/* "$unitfile" "$rel" "$rel"/* "$rel"/*/* 2>/dev/null
for link in "$conf"/tls/*; do
  if [ -L "$link" ]; then say link "$link" "$(readlink "$link")"; fi
done
for file in "$unitfile" "$conf"/born.json "$conf"/trust-*.pem "$conf"/revoked-clients.crl "$conf"/tls/peer/cert.pem "$conf"/tls/server/cert.pem; do
  if [ -f "$file" ]; then say content "$file" "$(flat <"$file")"; fi
done
# The key stays here: the host itself says whether its pair is the one that was written. To read what is no regular file may never end.
for role in peer server; do
  if (cd "$conf/tls/$role" 2>/dev/null && [ -f sums ] && [ -f cert.pem ] && [ -f key.pem ] && sha256sum --status -c sums 2>/dev/null); then
    say intact "$role"
  fi
done

# A binary is read again only when its size, inode or change time differ from those its manifest recorded.
for dir in "$rel"/*; do
  for name in etcd etcdctl etcdutl; do
    file=$dir/$name
    [ -f "$file" ] && [ ! -L "$file" ] || continue
    now=$(stat -c '%s %i %.9Z' "$file")
    known=
    if [ -f "$dir/manifest" ]; then known=$(sed -n "s/^\([0-9a-f]\{64\}\) $now $name\$/\1/p" "$dir/manifest"); fi
    [ -n "$known" ] || known=$(sha256sum <"$file" | cut -d' ' -f1)
    say binary "$file" "$known"
  done
done

# Which of many releases the units of this or another cluster name.
set -- "$rel"/*/
if [ $# -gt 2 ]; then
  set --
  for file in /etc/systemd/system/*.service; do if [ -f "$file" ]; then set -- "$@" "$file"; fi; done
  for dir in "$rel"/*/; do if grep -qF "$dir" /dev/null "$@"; then say inuse "${dir%/}"; fi; done
fi

if [ -d "$data" ]; then
  say data exists
  for entry in "$data"/* "$data"/.[!.]*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then say entry "${entry##*/}"; fi
  done | head -n 8
fi
for log in "$walflag"/*.wal; do
  if [ -f "$log" ]; then
    say wal "$(head -c 256 "$log" | flat)"
    break
  fi
done

# Only a running 3.5 member is asked about, with the tool of its own release: it takes the data directory as it stands, and only reads.
if [ -n "$v2store" ] && [ -n "${exe:-}" ]; then
  case $exe in
    "$(readlink -f "$rel")"/3.5.*/etcd)
      tool=${exe%/etcd}/etcdutl
      if [ -f "$tool" ] && [ -x "$tool" ]; then
        set -- check v2store --data-dir "$data"
        if [ "$walflag" != "$data/member/wal" ]; then set -- "$@" --wal-dir "$walflag"; fi
        words=$("$tool" "$@" </dev/null 2>&1)
        code=$?
        say v2store "$code" "$(printf '%s' "$words" | head -c 4096 | flat)"
      fi
      ;;
  esac
fi
if [ -n "$v2log" ] && [ -n "${exe:-}" ]; then
  case $exe in
    "$(readlink -f "$rel")"/3.6.*/etcd)
      # 3.5 wrote its members' attributes and the version of the cluster as v2 requests.
      found=
      for log in "$walflag"/*.wal; do
        if [ -f "$log" ] && grep -aqE '/0/(members/[0-9a-f]+/attributes|version)' "$log"; then found=yes; fi
      done
      newest=
      for snap in "$data"/member/snap/*.snap; do if [ -f "$snap" ]; then newest=$snap; fi; done
      if [ -n "$newest" ] && grep -aqE '"Path":"/0/version"[^}]*"Value":"3\.([6-9]|[1-9][0-9])\.' "$newest"; then found=; fi
      say v2log "$found"
      ;;
  esac
fi

if command -v ss >/dev/null 2>&1; then
  filter=
  for port in $ports; do filter="$filter${filter:+ or }sport = :$port"; done
  ss -H -ltnp "( $filter )" | while IFS= read -r line; do say listen "$line"; done
fi
say end
