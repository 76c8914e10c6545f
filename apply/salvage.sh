# Starts etcd on a copy of a member's data, alone and on loopback. The lines above this one set: data, wal (the
# directory of the log; empty: it lies with the data), user, unit; and the arguments are etcd's command line, in which @COPY@ stands for
# the copy. The data itself is only read.
umask 077
trap 'exit 143' TERM HUP PIPE
[ "$(systemctl show -p MainPID --value "${unit%-salvage}.service")" = 0 ] || { echo "the member runs" >&2; exit 1; }
systemctl stop "$unit.service" 2>/dev/null || :
systemctl reset-failed "$unit.service" 2>/dev/null || :
for old in "$data"/.clusterup-restore-??????; do # of killed runs
  [ ! -d "$old" ] || rm -rf "$old"
done
[ -z "$(find "$data/member" $wal -type l)" ] || { echo "there are symbolic links in the data: a copy would lead to it" >&2; exit 1; }
log=${wal:-"$data/member/wal"}
need=$(du -skc "$data/member" $wal | tail -n 1 | cut -f 1)
free=$(df -Pk "$data" | tail -n 1)
set_free() { free=$4; }
set_free $free
[ "$free" -gt $((need + 65536)) ] || {
  echo "no room for a copy of the data on $data: $((need / 1024 + 65)) MiB needed, $((free / 1024)) MiB free" >&2
  exit 1
}
copy=$(mktemp -d "$data/.clusterup-restore-XXXXXX")
cp -a --reflink=auto "$data/member" "$copy/member"
[ -z "$wal" ] || cp -a --reflink=auto "$log" "$copy/member/wal"
chown -Rh "$user:$user" "$copy"
for word; do
  shift
  case $word in *@COPY@*) word=${word%%@COPY@*}$copy${word#*@COPY@} ;; esac
  set -- "$@" "$word"
done
systemd-run --quiet --collect --unit="$unit" --service-type=notify --uid="$user" --gid="$user" \
  -p TimeoutStartSec=600 -p RuntimeMaxSec=3600 -p UMask=0077 -p ProtectSystem=strict -p ReadWritePaths="$copy" -p ProtectHome=yes \
  -p PrivateTmp=yes -p NoNewPrivileges=yes -p CapabilityBoundingSet= -p IPAddressDeny=any -p IPAddressAllow=localhost \
  -p Restart=no "$@" || {
  journalctl --quiet --no-pager -o cat -n 20 -u "$unit.service" >&2
  exit 1
}
