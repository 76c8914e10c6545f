# The facts of the host of a balancer's node: everything in one answer, nothing changed. Lines as in script.sh; the reader
# is parsenode.go. What host.sh has is before this. The lines above both set: owner ports packages units users files dirs
# pairs programs; lists have one entry a line.

for tool in sha256sum md5sum stat getent useradd flock ss dpkg-query apt-get; do
  command -v "$tool" >/dev/null 2>&1 || say missing "$tool"
done

# Packages, and their configuration files that are as they came with them.
IFS=$newline
set -f
set -- # of these, all
installed=$newline came=
if [ -n "$packages" ] && command -v dpkg-query >/dev/null 2>&1; then
  shown=$(exec dpkg-query -W \
    '-f=package\t${Package}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n${Conffiles}\n' $packages 2>/dev/null)
  for line in $shown; do
    case $line in
    "package$tab"*)
      printf '%s\n' "$line"
      name=${line#*"$tab"}
      name=${name%%"$tab"*}
      case $line in *"${tab}installed" | *"${tab}triggers-awaited" | *"${tab}triggers-pending") installed=$installed$name$newline ;; esac
      ;;
    ' /'*' obsolete' | ' /'*' remove-on-upgrade') ;;
    ' /'*)
      line=${line# }
      file=${line% *} sum=${line##* }
      if [ "${#sum}" = 32 ] && [ -f "$file" ] && [ ! -L "$file" ]; then
        came=$came$sum$tab$name$tab$file$newline
        set -- "$@" "$file"
      fi
      ;;
    esac
  done
fi
if [ $# -gt 0 ]; then
  sums=$newline$(exec md5sum -- "$@" 2>/dev/null)$newline
  for line in $came; do
    sum=${line%%"$tab"*} file=${line##*"$tab"}
    name=${line#*"$tab"}
    case $sums in *"$newline$sum  $file$newline"*) say shipped "${name%%"$tab"*}" "$file" ;; esac
  done
fi
# Without its cache, which it would write, apt reads all its lists.
absent=
for name in $packages; do
  case $installed in *"$newline$name$newline"*) ;; *) absent=$absent$name$newline ;; esac
done
if [ -n "$absent" ] && command -v apt-cache >/dev/null 2>&1; then
  shown=$(
    export LC_ALL=C
    exec apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy $absent 2>/dev/null
  )
  for line in $shown; do
    case $line in
    [!\ ]*:) name=${line%:} ;;
    '  Candidate: '*) say candidate "$name" "${line#*: }" ;;
    esac
  done
fi

# told says what a block of systemctl's lines told, of every unit that was asked for under one of its names.
running=
told() {
  for unit in $units; do
    case $known in *" $unit.service "*) ;; *) continue ;; esac
    for property in $block; do say unit "$unit" "$property"; done
    if [ "${pid:-0}" -gt 0 ] 2>/dev/null; then
      say process "$unit" "$pid"
      case $newline$running in *"$newline$pid$newline"*) ;; *) running=$running$pid$newline ;; esac
    fi
    if [ -n "$loads" ]; then
      unset IFS
      unread "$unit" " $dropins " say unit "$unit" NeedDaemonReload=yes
      IFS=$newline
    fi
  done
  keys=' ' known=' ' block= pid= loads= dropins=
}
# The lines of a unit end where one of their names comes again: a shell does not see empty lines between them.
if [ -n "$units" ] && [ -d /run/systemd/system ]; then
  set --
  for unit in $units; do set -- "$@" "$unit.service"; done
  shown=$(exec systemctl show -p Id -p Names -p LoadState -p ActiveState -p UnitFileState -p MainPID -p NeedDaemonReload \
    -p FragmentPath -p DropInPaths -p Result "$@" 2>/dev/null)
  keys=' ' known=' ' block= pid= loads= dropins=
  for line in $shown; do
    key=${line%%=*} value=${line#*=}
    case $keys in *" $key "*) told ;; esac
    keys="$keys$key "
    case $key in
    Id | Names) known="$known$value " ;;
    MainPID) pid=$value ;;
    *)
      block=$block$line$newline
      case $line in LoadState=loaded) loads=yes ;; DropInPaths=*) dropins=$value ;; esac
      ;;
    esac
  done
  told
fi

# lists PATH: has stat look at it, once. Names that would end a line of stat's go another way.
paths=$newline
lists() {
  case $1 in
  *"$tab"* | *"$newline"*)
    say odd "$1"
    return 1
    ;;
  esac
  case $paths in *"$newline$1$newline"*) ;; *) paths=$paths$1$newline ;; esac
}
# walks DIRECTORY DEPTH: lists all that lies in a directory, and in those in it. Links are not followed.
found=0
walks() {
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then
      found=$((found + 1))
      if [ "$found" -gt 500 ]; then
        [ "$found" -gt 501 ] || say more "$1"
        return
      fi
      lists "$entry" || continue
      texts=$texts$entry$newline
      if [ -d "$entry" ] && [ ! -L "$entry" ]; then
        if [ "$2" = 0 ]; then say more "$entry"; else walks "$entry" $(($2 - 1)); fi
      fi
    fi
  done
}
texts=
for file in $files; do if lists "$file"; then texts=$texts$file$newline; fi; done
for dir in $dirs; do
  lists "$dir"
  set +f
  walks "$dir" 4
  set -f
done
for pair in $pairs; do
  for file in "$pair" "$pair/cert.pem" "$pair/key.pem" "$pair/sums"; do lists "$file"; done
done
bins=
if [ -n "$programs" ]; then
  set +f
  for file in "$programs" "$programs"/* "$programs"/*/clusterup-node; do
    if [ -e "$file" ] || [ -L "$file" ]; then
      lists "$file" || continue
      case $file in */*/clusterup-node) if [ -f "$file" ] && [ ! -L "$file" ]; then bins=$bins$file$newline; fi ;; esac
    fi
  done
  set -f
fi

# What stat says of them, and of the processes.
exes= gone=
ends() {
  case $1 in
  /proc/*)
    exes=$exes${1%/exe}$newline
    say exe "$1" "$2"
    case $2 in *' (deleted)') gone=$gone$1$newline ;; esac
    ;;
  *) say link "$1" "$2" ;;
  esac
}
set -- $paths
for pid in $running; do set -- "$@" "/proc/$pid" "/proc/$pid/exe"; done
sees "$@"
IFS=$newline
set -f
for file; do
  case $told in *"$newline$file$newline"*) continue ;; esac
  if [ -L "$file" ]; then
    target=$(exec readlink -- "$file")
    if [ -n "$target" ]; then ends "$file" "$target"; fi
  fi
done

# A user whom stat names as an owner exists, with that group; others may be known to getent.
absent=
for name in $users; do
  case $stats in *"$tab$name$tab$name$tab"*) say user "$name" ;; *) absent=$absent$name$newline ;; esac
done
if [ -n "$absent" ]; then
  people=$newline$(exec getent passwd $absent)$newline
  groups=
  case $people in *:*) groups=$newline$(exec getent group $absent)$newline ;; esac
  for name in $absent; do
    case $people in *"$newline$name:"*)
      case $groups in *"$newline$name:"*) say user "$name" ;; esac
      ;;
    esac
  done
fi

# All that has to be read for its digest, at once.
set -- $bins $gone
for pair in $pairs; do
  if paired "$pair"; then set -- "$@" "$pair/cert.pem" "$pair/key.pem"; fi
done
sums=
if [ $# -gt 0 ]; then sums=$newline$(exec sha256sum -- "$@" 2>/dev/null)$newline; fi
for file in $bins $gone; do
  digest "$file"
  say binary "$file" "$sum"
done
for pair in $pairs; do
  if intact "$pair"; then say intact "$pair"; fi
done
for file in $bins; do
  for process in $exes; do
    if [ "$process/exe" -ef "$file" ]; then say same "$process/exe" "$file"; fi
  done
done

unset IFS
if [ -n "$ports" ]; then listeners; fi
IFS=$newline
set -f

# secret FILE: its content stays here, since it is a key, or lies where one does.
secret() {
  case $1 in
  *key.pem) return 0 ;;
  */cert.pem) return 1 ;;
  esac
  dir=${1%/*}
  if [ -e "$dir/key.pem" ] || [ -L "$dir/key.pem" ]; then return 0; fi
  for pair in $pairs; do
    case $dir/ in "$pair"[/-]*) return 0 ;; esac
  done
  return 1
}

# Contents come last, as they are, after a line "raw": first command lines, then files. Whoever runs a process chose its
# command line, but no argument of it can hold the byte that ends one, and so none forges what comes after it.
set --
listed=$newline
for file in $texts; do
  case $listed in *"$newline$file$newline"*) continue ;; esac
  if [ -f "$file" ] && [ ! -L "$file" ] && ! secret "$file"; then
    listed=$listed$file$newline
    say content "$file"
    set -- "$@" "$file"
  fi
done
for pair in $pairs; do
  file=$pair/cert.pem
  case $listed in *"$newline$file$newline"*) continue ;; esac
  if [ -f "$file" ]; then
    listed=$listed$file$newline
    say content "$file"
    set -- "$@" "$file"
  fi
done
commands=
for process in $exes; do commands=$commands$process/cmdline$newline; done
echo raw
if [ -n "$commands" ]; then LC_ALL=C grep -azH '' $commands 2>/dev/null; fi
if [ $# -gt 0 ]; then head -v -c 4194304 -- "$@" 2>/dev/null; fi
printf '\nend\n'
