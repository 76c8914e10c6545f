# The lines above this one set: listen name nonce unique
# Listens at each of $listen until its input ends; prints "ready", or why it cannot. It says $nonce to whoever connects, with the address
# that it sees them come from, or -; then it sends back what they send.
# systemd-socket-activate comes with systemd and registers nothing there. It runs under a name of ours, so that whoever finds it in a
# list of listeners can tell what it is; the link that gives it the name is gone before anyone is told that it listens.
tool=$(command -v systemd-socket-activate) || { echo "systemd-socket-activate is missing"; exit 0; }
dir=/run/$unique
trap 'trap "" TERM HUP INT PIPE; rm -rf "$dir"' EXIT
trap 'exit 143' TERM HUP INT PIPE
mkdir "$dir" || exit
ln -s "$tool" "$dir/$name" || exit
set --
wanted=0
for at in $listen; do
  set -- "$@" -l "$at"
  wanted=$((wanted + 1))
done
SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_COLOR=0 SYSTEMD_LOG_LOCATION=0
export SYSTEMD_LOG_LEVEL SYSTEMD_LOG_TARGET SYSTEMD_LOG_COLOR SYSTEMD_LOG_LOCATION
ports=
for at in $listen; do ports="$ports${ports:+ or }sport = :${at##*:}"; done
# The number of its inode finds the connection among those that ss lists, one a line, with the other end fifth. One that nobody ends does
# not stay.
answer='printf %s "$1"
PATH=$PATH:/usr/sbin:/sbin
inode=$(readlink /proc/self/fd/0)
inode=${inode#*\[}
all="
$(ss -Hnte "( $2 )" 2>/dev/null)"
set --
case $all in *" ino:${inode%]} "*) all=${all%%" ino:${inode%]} "*} && set -- ${all##*"
"} ;; esac
echo " ${5:--}"
exec timeout 9 cat'
exec 3<&0
sh -c 'echo $$; exec "$@"' sh "$dir/$name" -a --inetd "$@" -- /bin/sh -c "$answer" sh "$nonce" "$ports" </dev/null 2>&1 | {
  read -r pid
  trap 'trap "" TERM HUP INT PIPE; kill "$pid" 2>/dev/null' EXIT
  trap 'exit 143' TERM HUP INT PIPE
  n=0 last=
  while [ "$n" -lt "$wanted" ] && IFS= read -r line; do
    case $line in
    *'Listening on'*) n=$((n + 1)) ;;
    *) last=$line ;;
    esac
  done
  rm -rf "$dir"
  if [ "$n" -lt "$wanted" ]; then
    echo "cannot listen: $last"
    exit 0
  fi
  exec 4<&0
  cat <&4 >/dev/null &
  echo ready
  cat <&3 >/dev/null
}
