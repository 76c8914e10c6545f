# The facts of one host: everything in one answer, nothing changed. Lines of fields separated by TABs; see say.sh and
# parse.go. A process costs a host milliseconds, and so does a subshell. So a tool is started once for all its work, and
# the shell's own words do the rest. ${text#*word} is avoided in a long text: its time in dash grows with the square of
# the length. Behind exec, bash starts no second process for a command with redirections.
# What host.sh has is before this. The lines above both set: unit user conf data owner former wal walflag rel ports peers
# v2store v2log

# Packages whose removal deletes /var/lib/etcd, as Debian's do. Their scripts are read with the shell's own words.
for package in etcd etcd-server; do
  file=/var/lib/dpkg/info/$package.postrm
  if [ -f "$file" ] && [ -r "$file" ]; then
    while IFS= read -r line; do
      case $line in *rm*/var/lib/etcd*) say package "$package"; break ;; esac
    done <"$file"
  fi
done
for tool in tar gzip sha256sum stat getent useradd flock ss; do
  command -v "$tool" >/dev/null 2>&1 || say missing "$tool"
done

# asks MARK PATH: has stat look at a path. "/." at the end makes stat follow a link to a directory; other links go to
# strays, for a second stat. The mark "/." in front tells ways from files.
asked=/./.$newline strays=
asks() {
  if [ -d "$2" ]; then
    case $newline$asked in *"$newline$1$2/.$newline"*) ;; *) asked=$asked$1$2/.$newline ;; esac
  elif [ -e "$2" ]; then
    if [ -L "$2" ]; then strays=$strays$1$2$newline; else asked=$asked$1$2$newline; fi
  fi
}

# The ways to where things lie or will lie, from the root on, and what of them is there.
for what in data wal opt conf units; do
  case $what in data) dir=$data ;; wal) dir=$wal ;; opt) dir=$rel ;; conf) dir=$conf ;; *) dir=/etc/systemd/system ;; esac
  near=
  while [ -n "$dir" ]; do
    asks /. "$dir"
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
stat -f -c "free$tab%n$tab%S$tab%b$tab%a$tab%c$tab%d" "$data_near" "$wal_near" "$opt_near" 2>/dev/null

# named WHOSE ASSIGNMENT…: the names of variables that may matter to a member. What they are set to may be secret, and
# stays here.
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
pid=0 dropins= loaded=' ' command=
set -f
if [ -d /run/systemd/system ]; then
  shown=$(exec systemctl show "$unit.service" -p LoadState -p ActiveState -p UnitFileState -p MainPID \
    -p NeedDaemonReload -p FragmentPath -p DropInPaths -p Result -p ExecStart -p ExecCondition -p ExecStartPre \
    -p Environment -p EnvironmentFiles -p UnsetEnvironment -p User -p Group -p WorkingDirectory -p RootDirectory -p RootImage)
  case $shown in *DropInPaths=/*) dropins=yes ;; esac
  IFS=$newline
  for line in $shown; do
    case $line in DropInPaths=*) loaded=" ${line#*=} " ;; ExecStart=*) command=$line ;; esac
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
  # systemd tells nothing of a drop-in in a new directory before it reads its units again, which the next change of the
  # unit has it do. One of the same name in another directory may take its place.
  case $shown in *LoadState=loaded*) unread "$unit" "$loaded" say unit NeedDaemonReload=yes ;; esac
fi

# Where the member's data lies by its unit, else by its birth marker. What its process says is its own word. These paths
# have no character that JSON or systemd would write in another way.
use= usewal=
for word in $command; do
  case $word in --data-dir=*) use=${word#*=} ;; --wal-dir=*) usewal=${word#*=} ;; esac
done
if [ -z "$use" ] && [ -f "$conf/born.json" ] && [ -r "$conf/born.json" ]; then
  while IFS= read -r line; do
    line=${line%,}
    case $line in
    *'"data_dir": '*) use=${line#*: \"} use=${use%\"} ;;
    *'"wal_dir": '*) usewal=${line#*: \"} usewal=${usewal%\"} ;;
    esac
  done <"$conf/born.json"
fi
case $use in
*[!A-Za-z0-9/._+@-]* | [!/]* | "$data")
  if [ "$use" != "$data" ] || [ "${usewal:-$data/member/wal}" = "$walflag" ]; then use=; fi
  ;;
esac
usewal=${usewal:-$use/member/wal}
case $usewal in *[!A-Za-z0-9/._+@-]* | [!/]*) use= ;; esac
[ -n "$use" ] || usewal=

# The places where clusterup puts things. Directories that an operator may have made a symbolic link are followed;
# nothing else is. Names that would end a line of stat's go another way.
[ "${pid:-0}" -gt 0 ] 2>/dev/null || pid=
unitfile=/etc/systemd/system/$unit.service
for dir in /etc/etcd /opt/clusterup "$data" "$data/member" "$wal" "$former" ${use:+"$use" "$use/member"}; do asks '' "$dir"; done
IFS=$newline
set -- $asked ${pid:+"/proc/$pid"} ${pid:+"/proc/$pid/exe"}
set +f
unset IFS
for file in "$conf" "$conf"/* "$conf"/tls/* "$conf"/tls/*/* "$unitfile" "$rel" "$rel"/* "$rel"/*/*; do
  case $file in
  *"$tab"* | *"$newline"*) say odd "$file" ;;
  *) set -- "$@" "$file" ;;
  esac
done
exe=
ends() {
  case $1 in
  "/proc/$pid/exe") exe=$2 ;;
  "$conf"/tls/*/*) ;;
  "$conf"/tls/*) say link "$1" "$2" ;;
  esac
}
sees "$@"
for link in ${pid:+"/proc/$pid/exe"} "$conf"/tls/*; do
  case $told in *"$newline$link$newline"*) continue ;; esac
  if [ -L "$link" ]; then
    target=$(exec readlink -- "$link")
    case $link in /proc/*) exe=$target ;; *) say link "$link" "$target" ;; esac
  fi
done
if [ -n "$strays" ]; then
  IFS=$newline
  set -f
  stat -L -c "$form" $strays 2>/dev/null
  set +f
  unset IFS
fi

# A user whom stat names as an owner exists; others may be known to getent.
case $stats in
*"$tab$user$tab$user$tab"*) say etcduser yes ;;
*) if getent passwd "$user" >/dev/null && getent group "$user" >/dev/null; then say etcduser yes; fi ;;
esac

# All that has to be read for its digest, at once. A binary is only when its size, inode or change time differ from
# those its manifest recorded.
set --
for role in peer server; do
  dir=$conf/tls/$role
  if paired "$dir"; then set -- "$@" "$dir/cert.pem" "$dir/key.pem"; fi
done
case $exe in *' (deleted)') set -- "$@" "/proc/$pid/exe" ;; esac
for file in "$conf"/token-*.pem; do if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi; done
for dir in "$rel"/*; do
  known=
  if [ -f "$dir/manifest" ]; then
    while read -r sum state; do # DIGEST SIZE INODE CHANGED NAME
      name=${state##* }
      file=$dir/$name
      case $name in etcd | etcdctl | etcdutl) ;; *) continue ;; esac
      case $sum in *[!0-9a-f]*) continue ;; esac
      if [ "${#sum}" = 64 ] && [ -f "$file" ] && [ ! -L "$file" ]; then
        case $stats in *"$tab${state% *}$tab$file$newline"*)
          known="$known $name "
          say binary "$file" "$sum"
          ;;
        esac
      fi
    done <"$dir/manifest"
  fi
  for name in etcd etcdctl etcdutl; do
    file=$dir/$name
    case $known in *" $name "*) continue ;; esac
    if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi
  done
done
sums=
if [ $# -gt 0 ]; then sums=$newline$(exec sha256sum -- "$@" 2>/dev/null)$newline; fi
for file; do
  case $file in
  "$rel"/*)
    digest "$file"
    say binary "$file" "$sum"
    ;;
  "$conf"/token-*)
    digest "$file"
    say tokenkey "$file" "$sum"
    ;;
  esac
done
for role in peer server; do
  if intact "$conf/tls/$role"; then say intact "$role"; fi
done

if [ -n "$exe" ]; then
  sum= same=
  case $exe in *' (deleted)') digest "/proc/$pid/exe" ;; esac
  for file in "$rel"/*/etcd; do
    if [ -f "$file" ] && [ ! -L "$file" ] && [ "/proc/$pid/exe" -ef "$file" ]; then same=$file; fi
  done
  say process "$pid" "$same" "$exe" "$sum"
  IFS=$newline
  set -f
  named process $(exec tr '\0\n' '\n ' <"/proc/$pid/environ")
  set +f
  unset IFS
fi

# Which of many releases the units of this or another cluster name.
set -- "$rel"/*/
if [ $# -gt 2 ]; then
  set --
  for dir in "$rel"/*/; do set -- "$@" -e "$dir"; done
  for file in /etc/systemd/system/*.service; do if [ -f "$file" ]; then set -- "$@" "$file"; fi; done
  used=$newline$(grep -aohF "$@" /dev/null)$newline
  for dir in "$rel"/*/; do
    case $used in *"$newline$dir$newline"*) say inuse "${dir%/}" ;; esac
  done
fi

# holds WHICH DIRECTORY: what lies in a directory of data: the one that was asked for, or the one in use.
holds() {
  [ -d "$2" ] || return 0
  if [ "$1" = use ]; then say usedata exists; else say data exists; fi
  n=0
  for entry in "$2"/* "$2"/.[!.]*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then
      if [ "$1" = use ]; then say useentry "${entry##*/}"; else say entry "${entry##*/}"; fi
      n=$((n + 1))
    fi
    [ "$n" -lt 8 ] || break
  done
}
holds asked "$data"
if [ -n "$use" ]; then
  say use "$use" "$usewal"
  holds use "$use"
fi
# logs DIRECTORY: $log is the first file of a write-ahead log, and $newest the last one; the same of a member that runs.
logs() {
  log= newest=
  for file in "$1"/*.wal; do
    if [ -f "$file" ]; then
      newest=$file log=${log:-$file}
      [ -z "$pid" ] || break
    fi
  done
}

# Only a running 3.5 member is asked about, with the tool of its own release: it takes the data directory as it stands,
# and only reads.
case $v2store:$exe in yes:*/3.5.*/etcd)
  tool=${exe%/etcd}/etcdutl
  if [ "${exe%/*/etcd}" -ef "$rel" ] && [ -f "$tool" ] && [ -x "$tool" ]; then
    set -- check v2store --data-dir "${use:-$data}"
    if [ "${usewal:-$walflag}" != "${use:-$data}/member/wal" ]; then set -- "$@" --wal-dir "${usewal:-$walflag}"; fi
    words=$("$tool" "$@" </dev/null 2>&1)
    code=$?
    say v2store "$code" "$(printf %.4096s "$words")"
  fi
  ;;
esac
case $v2log:$exe in yes:*/3.6.*/etcd)
  if [ "${exe%/*/etcd}" -ef "$rel" ]; then
    # 3.5 wrote its members' attributes and the version of the cluster as v2 requests.
    found=
    for log in "${usewal:-$walflag}"/*.wal; do
      if [ -f "$log" ] && grep -aqE '/0/(members/[0-9a-f]+/attributes|version)' "$log"; then found=yes; fi
    done
    newest=
    for snap in "${use:-$data}"/member/snap/*.snap; do if [ -f "$snap" ]; then newest=$snap; fi; done
    if [ -n "$newest" ] && grep -aqE '"Path":"/0/version"[^}]*"Value":"3\.([6-9]|[1-9][0-9])\.' "$newest"; then found=; fi
    say v2log "$found"
  fi
  ;;
esac

# From which address this host goes to its peers.
if [ -n "$peers" ] && command -v ip >/dev/null 2>&1; then
  routes=$(
    exec ip -force -o -batch - 2>/dev/null <<END
$peers
END
  )
  each route "$routes"
fi

listeners

# The contents of files come last, as they are, after a line "raw". Whoever runs as the member may have chosen its log and its
# command line, and these come after all else. See parseraw.go.
set --
for file in "$unitfile" "$conf"/born.json "$conf"/restoring.json "$conf"/trust-*.pem "$conf"/revoked-*.crl \
  "$conf"/tls/peer/cert.pem "$conf"/tls/server/cert.pem; do
  case $file in *"$tab"* | *"$newline"*) continue ;; esac
  if [ -f "$file" ]; then
    say content "$file"
    set -- "$@" "$file"
  fi
done
if [ -n "$exe" ]; then set -- "$@" "/proc/$pid/cmdline"; fi
uselog= usenewest=
if [ -n "$use" ]; then
  logs "$usewal"
  uselog=$log usenewest=$newest
  if [ -n "$log" ]; then say usewal yes; fi
fi
logs "$walflag"
if [ -n "$log" ]; then say wal yes; fi
newest=${usenewest:-$newest}
# How far the log comes of a member that does not run, after what was noted of it, which may only be older.
if [ -z "$pid" ] && [ -n "$newest" ] && [ -f "$conf/log-end" ] && read -r line <"$conf/log-end"; then
  say log "$line" "${newest##*/}" "$(exec wc -l <"$newest")"
fi
echo raw
if [ $# -gt 0 ]; then head -v -c 4194304 -- "$@" 2>/dev/null; fi
if [ -n "$log" ]; then
  printf '\nwal\n'
  head -c 256 <"$log"
fi
if [ -n "$uselog" ]; then
  printf '\nuse\n'
  head -c 256 <"$uselog"
fi
printf '\nend\n'
