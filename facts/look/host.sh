# Parts of a look that hosts of members and nodes share: what is said of the machine, and functions for the rest.
# The lines above this one set: owner ports
PATH=$PATH:/usr/sbin:/sbin

# This is read before anything else, so that a run that begins during the look shows: it has changed the file since.
if [ -n "$owner" ] && [ -f "$owner" ] && IFS= read -r line <"$owner"; then say run "$line"; fi
machine=
if [ -r /proc/sys/kernel/arch ]; then read -r machine </proc/sys/kernel/arch; fi # since Linux 6.1
say arch "${machine:-$(uname -m)}"
if [ -r /etc/os-release ]; then
  os= version=
  while IFS='=' read -r key value || [ -n "$key" ]; do
    value=${value#[\"\']}
    value=${value%[\"\']}
    case $key in ID) os=$value ;; VERSION_ID) version=$value ;; esac
  done </etc/os-release
  say os "$os $version"
fi
# The library that systemd's programs share is named after their version. Where no or several are found, a program is
# asked.
if [ -d /run/systemd/system ]; then
  version=
  for file in /lib/systemd/libsystemd-shared-*.so /usr/lib/systemd/libsystemd-shared-*.so \
    /usr/lib/*-linux-gnu*/systemd/libsystemd-shared-*.so; do
    file=${file##*/libsystemd-shared-}
    file=${file%%[!0-9]*}
    [ -n "$file" ] || continue
    case $version in '' | "$file") version=$file ;; *) version=several ;; esac
  done
  case $version in
  '' | several)
    set -- $(systemctl --version)
    version=${2%%[!0-9]*}
    ;;
  esac
  say systemd "$version"
fi
if [ -r /etc/machine-id ]; then
  read -r id </etc/machine-id
  say machine "$id"
fi
read -r id </proc/sys/kernel/random/boot_id
say boot "$id"
read -r _ kilobytes _ </proc/meminfo
say memory "$kilobytes"

# unread UNIT LOADED COMMAND...: runs a command where there are drop-ins of the unit, of its kind or of a beginning of its
# name that are not among those that systemd has loaded.
unread() {
  names="$1.service.d service.d" rest=$1 loaded=$2
  shift 2
  while [ "$rest" != "${rest%-*}" ]; do
    rest=${rest%-*}
    names="$names $rest-.service.d"
  done
  for name in $names; do
    set +f
    for file in /etc/systemd/system/"$name"/*.conf /run/systemd/system/"$name"/*.conf /usr/local/lib/systemd/system/"$name"/*.conf \
      /usr/lib/systemd/system/"$name"/*.conf; do
      if [ -f "$file" ]; then
        case $loaded in *"/${file##*/} "*) ;; *) "$@" ;; esac
      fi
    done
    set -f
  done
}

# sees PATH...: has stat look at all of them at once. $stats is what it says, and $told the links whose end it told to
# `ends LINK END`. stat prints names as they are. In a second line behind a TAB it quotes the name, and the end of a link
# with it: 'NAME' -> 'END'. A name with ' or \ in it is quoted in another way, and its end is not told.
sees() {
  unset QUOTING_STYLE
  form="file$tab%f$tab%U$tab%G$tab%s %i %.9Z$tab%n"
  stats=$(exec stat -c "$form$newline$tab%N" /proc/self/. "$@" 2>/dev/null)$newline
  # The directory of stat's own process is as old as that process, so its time is the host's clock.
  clock= told=$newline
  IFS=$newline
  set -f
  for line in $stats; do
    case $line in
    *"$tab/proc/self/.")
      line=${line%"$tab"*}
      clock=${line##* }
      ;;
    "file$tab"*) printf '%s\n' "$line" ;;
    "$tab'"*"' -> '"*"'")
      line=${line#"$tab'"}
      line=${line%"'"}
      link=${line%%"' -> '"*}
      target=${line#*"' -> '"}
      case $link$target in *[\'\\]*) continue ;; esac
      told=$told$link$newline
      ends "$link" "$target"
      ;;
    esac
  done
  set +f
  unset IFS
  if [ -n "$clock" ]; then say clock "$clock"; else date "+clock$tab%s.%N"; fi
}

# digest FILE: $sum is its SHA-256. $sums are those that sha256sum told of many files; it writes some names in another
# way.
digest() {
  sum=${sums%%"  $1$newline"*}
  if [ "$sum" = "$sums" ]; then sum=$(sha256sum <"$1"); else sum=${sum##*"$newline"}; fi
  sum=${sum%% *}
}

# paired DIRECTORY: a whole pair may be there. To read what is no regular file may never end.
paired() { [ -f "$1/sums" ] && [ -f "$1/cert.pem" ] && [ -f "$1/key.pem" ]; }

# intact DIRECTORY: the pair is the one that was written. The key stays here: the host itself says so.
intact() {
  paired "$1" || return
  digest "$1/cert.pem"
  cert=$sum
  digest "$1/key.pem"
  {
    IFS= read -r line && [ "$line" = "$cert  cert.pem" ] && IFS= read -r line && [ "$line" = "$sum  key.pem" ] && ! IFS= read -r line
  } <"$1/sums"
}

# listeners on $ports.
listeners() {
  command -v ss >/dev/null 2>&1 || return
  filter=
  for port in $ports; do filter="$filter${filter:+ or }sport = :$port"; done
  each listen "$(exec ss -H -ltnp "( $filter )")"
}
