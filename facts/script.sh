# The facts of one host: everything in one answer, nothing changed. Lines of fields parted by TABs; see say.sh and parse.go.
# The lines above this one set: unit user conf data former wal walflag rel ports peers v2store v2log
PATH=$PATH:/usr/sbin:/sbin

say clock "$(date +%s.%N)"
set -- $(uname -r -m)
say arch "$2" "$1"
if [ -r /etc/os-release ]; then say os "$(. /etc/os-release; printf '%s %s' "${ID:-}" "${VERSION_ID:-}")"; fi
if [ -d /run/systemd/system ]; then
  set -- $(systemctl --version)
  say systemd "${2%%[!0-9]*}"
fi
if [ -r /etc/machine-id ]; then
  read -r id </etc/machine-id
  say machine "$id"
fi
say boot "$(cat /proc/sys/kernel/random/boot_id)"
read -r _ kilobytes _ </proc/meminfo
say memory "$kilobytes"
if getent passwd "$user" >/dev/null && getent group "$user" >/dev/null; then say etcduser yes; fi
# Packages whose removal deletes /var/lib/etcd, as Debian's do. Their scripts are read with the shell's own words.
for package in etcd etcd-server; do
  file=/var/lib/dpkg/info/$package.postrm
  if [ -f "$file" ] && [ -r "$file" ]; then
    while IFS= read -r line; do
      case $line in *rm*/var/lib/etcd*) say package "$package"; break ;; esac
    done <"$file"
  fi
done
for tool in tar gzip sha256sum base64 stat getent useradd flock ss; do
  command -v "$tool" >/dev/null 2>&1 || say missing "$tool"
done

# The ways to where things lie or will lie, from the root on, links followed, and what of them is there.
set -- /
for what in data wal opt conf units; do
  case $what in data) dir=$data ;; wal) dir=$wal ;; opt) dir=$rel ;; conf) dir=$conf ;; *) dir=/etc/systemd/system ;; esac
  near=
  while [ -n "$dir" ]; do
    set -- "$@" "$dir"
    if [ -z "$near" ] && [ -d "$dir" ]; then near=$dir; fi
    dir=${dir%/*}
  done
  [ -w "${near:=/}" ] || say sealed "$near" # root may write wherever the file system lets anybody
  case $what in
  data) data_near=$near ;;
  wal) wal_near=$near ;;
  opt) opt_near=$near ;;
  *) continue ;;
  esac
  say near "$what" "$near"
done
stat -L -c "way$tab%f$tab%U$tab%G$tab%n" "$@" 2>/dev/null
stat -f -c "free$tab%n$tab%S$tab%b$tab%a$tab%c$tab%d" "$data_near" "$wal_near" "$opt_near" 2>/dev/null

# named WHOSE ASSIGNMENT…: the names of variables that may matter to a member. What they are set to may be secret, and stays here.
named() {
  whose=$1
  shift
  for name; do
    name=${name%%=*}
    case $name in *[#\;]*) continue ;; esac # a comment of a file
    name=${name##*[\"\' ]}
    case $name in
    *[!A-Za-z0-9_]*) ;;
    ETCD_* | GO[A-Z]* | GRPC_* | SSL_CERT_* | LD_* | *_PROXY | *_proxy) say variable "$whose" "$name" ;;
    esac
  done
}

# What drop-ins make of the unit is told only where there are some: without them its file says it all.
pid=0 dropins=
set -f
if [ -d /run/systemd/system ]; then
  shown=$(systemctl show "$unit.service" -p LoadState -p ActiveState -p SubState -p UnitFileState -p MainPID \
    -p NeedDaemonReload -p FragmentPath -p DropInPaths -p NRestarts -p Result -p ExecStart -p ExecCondition -p ExecStartPre \
    -p Environment -p EnvironmentFiles -p UnsetEnvironment -p User -p Group -p WorkingDirectory -p RootDirectory -p RootImage)
  case $shown in *DropInPaths=/*) dropins=yes ;; esac
  IFS=$newline
  for line in $shown; do
    case $dropins$line in
    MainPID=* | yesMainPID=*) pid=${line#*=} ;;
    yesEnvironment=*)
      IFS=' '
      named unit ${line#*=}
      ;;
    yesEnvironmentFiles=*)
      line=${line#*=}
      set +f
      set -- ${line%" (ignore_errors="*}
      set -f
      for file; do
        if [ -f "$file" ]; then named "$file" $(head -c 65536 "$file"); fi
      done
      ;;
    Exec* | Environment* | UnsetEnvironment=* | User=* | Group=* | WorkingDirectory=* | Root*) ;;
    *) say unit "$line" ;;
    esac
    IFS=$newline
  done
  unset IFS
fi
if [ "${pid:-0}" -gt 0 ] 2>/dev/null && exe=$(readlink "/proc/$pid/exe"); then
  sum=
  case $exe in *' (deleted)') sum=$(sha256sum <"/proc/$pid/exe" | cut -d' ' -f1) ;; esac
  flat "/proc/$pid/cmdline"
  set -- $(stat -L -c '%d:%i %U' "/proc/$pid/exe" "/proc/$pid")
  say process "$pid" "${1:-}" "$exe" "$flat" "$sum" "${4:-}"
  IFS=$newline
  named process $(tr '\0\n' '\n ' <"/proc/$pid/environ")
  unset IFS
fi
set +f

unitfile=/etc/systemd/system/$unit.service
# Directories that an operator may have made a symbolic link are followed; nothing else is. stat prints names as they are, so those that
# would end its line go another way.
form="file$tab%f$tab%U$tab%G$tab%s$tab%d:%i$tab%n"
stat -L -c "$form" /etc/etcd /opt/clusterup "$data" "$data/member" "$wal" "$former" 2>/dev/null
set -- "$conf" "$conf"/* "$conf"/tls/* "$conf"/tls/*/* "$unitfile" "$rel" "$rel"/* "$rel"/*/*
for file; do
  shift
  case $file in
  *"$tab"* | *"$newline"*) say odd "$file" ;;
  *) set -- "$@" "$file" ;;
  esac
done
stat -c "$form" "$@" 2>/dev/null
for link in "$conf"/tls/*; do
  if [ -L "$link" ]; then say link "$link" "$(readlink "$link")"; fi
done
for file in "$unitfile" "$conf"/born.json "$conf"/trust-*.pem "$conf"/revoked-clients.crl "$conf"/tls/peer/cert.pem "$conf"/tls/server/cert.pem; do
  case $file in *"$tab"* | *"$newline"*) continue ;; esac
  if [ -f "$file" ]; then
    flat "$file"
    say content "$file" "$flat"
  fi
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
  n=0
  for entry in "$data"/* "$data"/.[!.]*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then
      say entry "${entry##*/}"
      n=$((n + 1))
    fi
    [ "$n" -lt 8 ] || break
  done
fi
for log in "$walflag"/*.wal; do
  if [ -f "$log" ]; then
    flat "$log" 256
    say wal "$flat"
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
        say v2store "$code" "$(printf %.4096s "$words")"
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

# From which address this host goes to its peers.
if [ -n "$peers" ] && command -v ip >/dev/null 2>&1; then
  each route "$(printf '%s\n' "$peers" | ip -force -o -batch - 2>/dev/null)"
fi

if command -v ss >/dev/null 2>&1; then
  filter=
  for port in $ports; do filter="$filter${filter:+ or }sport = :$port"; done
  each listen "$(ss -H -ltnp "( $filter )")"
fi
say end
