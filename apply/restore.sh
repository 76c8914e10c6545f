# Makes the data of a member from a snapshot, which is the standard input. The lines above this one set: data, wal (the directory of the
# log; empty: it lies with the data), owner, etcdutl, size (of the snapshot); and the arguments are etcdutl's.
# All is made in directories of root's own, and gets its place only when it is whole and on the disk.
umask 077
trap 'exit 143' TERM HUP PIPE
for old in "$data"/.clusterup-restore-?????? ${wal:+"${wal%/*}"/.clusterup-restore-??????}; do # of killed runs
  [ ! -d "$old" ] || rm -rf "$old"
done
for there in "$data/member" $wal; do
  if [ -e "$there" ] || [ -L "$there" ]; then echo "$there is there already" >&2; exit 1; fi
done

# A disk that is filled to the last byte would hurt others. Where df has nothing to tell, what follows will.
room() { # room WHAT DIR BYTES
  what=$1 need=$3
  set -- $(df -Pk "$2")
  case ${11-} in '' | *[!0-9]*) return ;; esac
  if [ "$need" -gt $((${11} * 1024)) ]; then
    echo "no room for the $what on ${13}: $((need / 1048576 + 1)) MiB needed, $((${11} / 1024)) MiB free" >&2
    exit 1
  fi
}
segments=134217728 # two files of a log, which etcd allocates whole
room data "$data" $((2 * size + segments))
[ -z "$wal" ] || room log "${wal%/*}" $segments

made=$(mktemp -d "$data/.clusterup-restore-XXXXXX")
log=
[ -z "$wal" ] || log=$(mktemp -d "${wal%/*}/.clusterup-restore-XXXXXX")
trap 'cd /; rm -rf "$made" $log' EXIT
cd "$made"
cat >snapshot.db
[ "$(stat -c %s snapshot.db)" = "$size" ] || { echo "the snapshot did not arrive whole" >&2; exit 1; }
"$etcdutl" snapshot restore snapshot.db "$@" --data-dir out ${log:+--wal-dir "$log/wal"} >&2
rm snapshot.db
chown -Rh "$owner" out ${log:+"$log/wal"}
sync -f .
[ -z "$log" ] || sync -f "$log"
mv -T out/member "$data/member"
[ -z "$log" ] || sync "$data" # a log alone passes for data
[ -z "$log" ] || mv -T "$log/wal" "$wal"
sync "$data" ${log:+"${wal%/*}"}
