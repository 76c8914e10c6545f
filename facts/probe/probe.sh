# What preflight wants to know of one host beyond its facts. Lines of fields parted by TABs; see say.sh and parse.go.
# Behind exec, bash starts no second process for a command with redirections.
# The lines above this one set: data wal opt addresses ports disk unique pings writes, and those of listen.sh
have() { command -v "$1" >/dev/null 2>&1; }
near() { # DIRECTORY: $dir is the nearest that exists
  dir=$1
  while [ ! -d "${dir:-/}" ]; do dir=${dir%/*}; done
  dir=${dir:-/}
}

trap 'exit 143' TERM HUP INT PIPE # and not before what follows has ended
exec 4>&1
{ # up to the last line; the listener's log goes to hear, and what is said here to whoever asks
# Nothing that is made here outlives this. PIPE too: when the connection falls, so does whoever reads what this prints.
listener= scratch=
trap 'trap "" TERM HUP INT PIPE
  if [ -n "$listener" ]; then kill "$listener" 2>/dev/null; fi
  if [ -h "$link" ]; then rm -f "$link"; fi
  if [ -n "$scratch" ]; then IFS=$newline; set -f; rm -rf $scratch; fi' EXIT
trap 'exit 143' TERM HUP INT PIPE
if [ -n "$listen" ]; then open_doors; fi
exec >&4

# The slow ones first, side by side with the rest. A line is shorter than what a pipe takes at once.
ping_to() {
  mean=$(exec ping -n -q -c 3 -i 0.2 -W 1 -w 2 "$1" 2>/dev/null) # its last line: r… = LEAST/MEAN/MOST…
  case $mean in
  *"${newline}r"*' = '*/*/*)
    mean=${mean##*' = '}
    mean=${mean#*/}
    say ping "$1" "${mean%%/*}"
    ;;
  esac
}
if have ping; then
  for address in $pings; do ping_to "$address" & done
fi

cpus=0
if [ -r /sys/devices/system/cpu/online ]; then # such as 0-3,6
  read -r online </sys/devices/system/cpu/online
  IFS=,
  for range in $online; do cpus=$((cpus + 1 + ${range#*-} - ${range%-*})); done
  unset IFS
else
  cpus=$(exec getconf _NPROCESSORS_ONLN 2>/dev/null)
fi
say cpus "$cpus"
while read -r key kilobytes _; do
  case $key in SwapTotal:) say swap "$kilobytes"; break ;; esac
done </proc/meminfo
# No limit can be set above fs.nr_open, which tells a shell that reads byte by byte its first digit only.
while read -r key open files _ hard _; do
  case $key$open$files in Maxopenfiles) break ;; esac
done </proc/1/limits
most=$hard
ulimit -Hn "$hard" 2>/dev/null || most=$(exec cat /proc/sys/fs/nr_open)
say nofile "$hard" "$most"

keeper=
if [ -d /run/systemd/system ]; then
  set -- chrony chronyd systemd-timesyncd ntp ntpd ntpsec openntpd phc2sys open-vm-tools vmtoolsd ufw firewalld
  for state in $(exec systemctl is-active "$@" 2>/dev/null); do # one word for each, in their order
    if [ "$state" = active ]; then
      say service "$1"
      case $1 in ufw | firewalld) ;; *) keeper=$1 ;; esac
    fi
    shift
  done
fi
# timedatectl is asked last: it starts a service, which stays for half a minute.
if [ -e /run/systemd/timesync/synchronized ]; then
  say synced yes
elif have chronyc && leap=$(timeout 1 chronyc -n tracking 2>/dev/null); then
  case $leap in *'Leap status'*'Not synchronised'*) say synced no ;; *) say synced yes ;; esac
elif [ -n "$keeper" ]; then
  say synced "$(timeout 1 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
elif [ -s /run/systemd/container ] || systemd-detect-virt -q --container 2>/dev/null; then
  say synced container
else
  say synced no
fi

# of TABLE KEY: $row is the first thing it says of that.
of() {
  row=
  case $1 in *"$newline$2$tab"*)
    row=${1#*"$newline$2$tab"}
    row=${row%%"$newline"*}
    ;;
  esac
}
place() { # WHAT DIRECTORY
  of "$points" "$2"
  mount=$row
  of "$mounts" "$mount"
  type=${row%% *} options=${row#* }
  of "$rooms" "$2"
  set -- "$1" "$2" $row # blocks available, their size, and all of them; inodes, and free ones
  room=
  if [ "${5:-0}" -gt 0 ]; then room=$(($3 * $4 / 1024)); fi # where there are none at all, nobody counts them
  say place "$1" "$2" "${type:--}" "$mount" "${options:--}" "$room" "$6 $7"
}
near "$data"
data_near=$dir
near "$wal"
wal_near=$dir
near "$opt"
set -- "$data_near" "$wal_near" "$dir"
points=$newline$(exec stat -c "%n$tab%m" "$@" 2>/dev/null)$newline
rooms=$newline$(exec stat -f -c "%n$tab%a %S %b %c %d" "$@" 2>/dev/null)$newline
mounted=$newline
mounts=$newline # the last file system mounted at a point is the one that counts, and comes first
while read -r _ at type options _; do
  mounted=$mounted$at$newline
  case $points in *"$tab$at$newline"*) mounts="$newline$at$tab$type ${options%%,lowerdir=*}$mounts" ;; esac
done </proc/mounts
place data "$1"
place wal "$2"
place opt "$3"
# File systems that are to be mounted above the data, and are not: what is made there would lie on another disk.
if [ -r /etc/fstab ]; then
  while read -r device at _; do
    at=${at%/}
    case $device$at in '#'*) continue ;; esac
    case $at in /*) ;; *) continue ;; esac
    case "$data/" in "$at"/*) ;; *) case "$wal/" in "$at"/*) ;; *) continue ;; esac ;; esac
    case $mounted in *"$newline$at$newline"*) ;; *) say unmounted "$at" ;; esac
  done </etc/fstab
fi

if have ip; then
  each address "$(exec ip -o addr show)"
fi
for name in $addresses; do
  case $name in
  *:*) continue ;; # IPv6
  *[!0-9.]*) ;;
  *) continue ;; # IPv4
  esac
  for ip in $(getent ahosts "$name" | cut -d' ' -f1 | sort -u); do say resolved "$name" "$ip"; done
done

if [ -r /sys/fs/selinux/enforce ]; then
  read -r mode </sys/fs/selinux/enforce
  case $mode in 1) say selinux enforcing ;; *) say selinux permissive ;; esac
fi
mode=
if [ -r /sys/module/apparmor/parameters/enabled ]; then read -r mode </sys/module/apparmor/parameters/enabled; fi
if [ "$mode" = Y ]; then
  say apparmor enabled
  each confined "$(grep etcd /sys/kernel/security/apparmor/profiles 2>/dev/null)"
fi

# firewall TOOL RULES: counts what it has printed. The ports stand alone, in a set, or in a range's beginning.
firewall() {
  tool=$1 rules=0 named=0 drop=
  IFS=$newline
  set -f
  set -- $2
  set +f
  unset IFS
  for rule; do
    case $rule in
    *chain\ *'{') continue ;;
    *'hook input'*'policy drop'* | ':INPUT DROP'* | '-P INPUT DROP'*) drop=yes ;;
    *'hook '*'priority '*) continue ;; # where a chain of nft hangs, and its policy
    *accept* | *drop* | *reject* | *jump* | -A*) rules=$((rules + 1)) ;;
    *) continue ;;
    esac
    for port in $ports; do
      case $rule in *[!0-9]"$port" | *[!0-9]"$port"[!0-9]*) named=$((named + 1)) && break ;; esac
    done
  done
  say firewall "$tool" "$rules" "$named" "$drop"
}
if have nft; then firewall nft "$(exec nft list ruleset 2>/dev/null)"; fi
for tool in iptables ip6tables; do
  have $tool-save || continue
  case $(exec $tool -V 2>/dev/null) in *nf_tables*) if have nft; then continue; fi ;; esac # the same rules again
  firewall $tool "$(exec $tool-save 2>/dev/null)"
done

# Whether something can be made wherever a step will make something; only trying tells.
unwritable() { # DIRECTORY: what was said of one that could not be made or removed
  why=${words#*"$1"}
  dir=${1%/*}
  say unwritable "${dir:-/}" "${why%%"$newline"*}"
}
for place in $writes; do
  near "$place"
  case $scratch in *"$newline${dir%/}/$unique$newline"*) ;; *) scratch=${scratch:-$newline}${dir%/}/$unique$newline ;; esac
done
if [ -n "$scratch" ]; then
  words=$(exec mkdir $scratch 2>&1)
  made=
  for new in $scratch; do
    if [ -d "$new" ]; then made="$made $new"; else unwritable "$new"; fi
  done
  if [ -n "$made" ]; then
    words=$(exec rmdir $made 2>&1)
    for new in $made; do
      if [ -d "$new" ]; then unwritable "$new"; fi
    done
  fi
  scratch=
fi

now() { read -r up _ </proc/uptime && up=${up%.*}${up#*.}; } # in hundredths of a second, without starting a process

# one FILE POSITION: the seconds that dd says one synchronous write took.
one() {
  took=$(dd if=/dev/zero of="$1" bs=2300 count=1 seek="$2" conv=notrunc oflag=dsync 2>&1) || return
  case $took in *'copied, '*) ;; *) return 1 ;; esac
  took=${took##*copied, }
  took=${took%% *}
}
measure() {
  near "$wal"
  at=$dir
  up=${at%/*}
  up=${up:-/}
  if [ -d "$wal" ] && [ "$(exec stat -c %d "$up")" = "$(stat -c %d "$at")" ]; then at=$up; fi
  scratch=${at%/}/$unique # nobody else can know this name, so that it may be removed even if it is not known whether it was made
  words=$(mkdir "$scratch" 2>&1) || { say unmeasured "$words"; return; }
  { fallocate -l 524288 "$scratch/log" 2>/dev/null || : >"$scratch/log"; } && sync "$scratch/log" 2>/dev/null
  n=0
  while [ "$n" -lt 10 ] && one /dev/null 0; do
    say floor "$took"
    n=$((n + 1))
  done
  n=0
  now
  end=$((up + 120))
  while [ "$n" -lt 200 ] && [ "$up" -lt "$end" ]; do
    one "$scratch/log" "$n" || { say unmeasured "$(printf '%s' "$took" | sed -n '1p')"; break; }
    say fsync "$took"
    n=$((n + 1))
    now
  done
}
if [ -n "$disk" ]; then measure; fi
if [ -n "$listener" ]; then
  read -r _ # until nobody is to come any more
  kill "$listener" 2>/dev/null
fi
wait
} | hear
say end
