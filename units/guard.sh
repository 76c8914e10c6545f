born=$1 dir=$2 log=;
shift 2;
for list in "$@"; do
  test -s "$list" && continue;
  echo "refusing to start: $list, which lists the revoked certificates, is missing or empty: without it this member would refuse everybody." >&2;
  echo "clusterup apply puts it there, and starts the member." >&2;
  exit 1;
done;
test -e "$born" || exit 0;
for wal in "$dir"/*.wal; do test -e "$wal" && log=$wal && break; done;
if test -z "$log"; then
  echo "refusing to start: $born says that this member already had data, but there is no WAL in $dir." >&2;
  echo "Is the disk mounted? If the data is lost, do not start it empty: the member has to be removed from the cluster and added anew." >&2;
  exit 1;
fi;
want=$(cat "$born");
case $want in
*?member_id?:*) want=${want#*?member_id?:} want=${want#*[! ]} want=${want%%[!0-9a-f]*};;
*) want=;;
esac;
set -- $(od -An -v -tu1 -N 256 "$log") 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;
while skip=$((8 + $1 + $8 / 128 * ($8 % 8))) && test "$9 ${10}" = "8 4" && test $skip -lt $(($# - 16)); do shift $skip; done;
has=;
if test "$9 ${10} ${11}" = "8 1 16"; then
  shift 11;
  while test $1 -ge 128; do shift; done;
  if test "$2 $4" = "26 8"; then
    shift 4; id=0 bits=0;
    while test $1 -ge 128; do id=$((id | ($1 - 128) << bits)) bits=$((bits + 7)); shift; done;
    has=$(printf %x $((id | $1 << bits)));
    test "$((65536 * 65536))" = 4294967296 || has=;
  fi;
fi;
if test -n "$has" && test -n "$want" && test "$has" != "$want"; then
  echo "refusing to start: the WAL in $dir is of member $has, and $born says that member $want lives here." >&2;
  echo "Put the right disk back. A copy of another member must never run: there would be two processes with one member ID." >&2;
  exit 1;
fi;
exit 0
