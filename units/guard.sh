born=$1 dir=$2 log= last=;
shift 2;
for list in "$@"; do
  test -s "$list" && continue;
  echo "refusing to start: $list, which lists the revoked certificates, is missing or empty: without it this member would refuse everybody." >&2;
  echo "clusterup apply puts it there, and starts the member." >&2;
  exit 1;
done;
test -e "$born" || exit 0;
for wal in "$dir"/*.wal; do
  if test -e "$wal"; then last=$wal log=${log:-$wal}; fi;
done;
if test -z "$log"; then
  echo "refusing to start: $born says that this member already had data, but there is no WAL in $dir." >&2;
  echo "Is the disk mounted? If the data is lost, do not start it empty: the member has to be removed from the cluster and added anew." >&2;
  exit 1;
fi;
read_marker;
set -- $(od -An -v -tu1 -N 256 "$log") 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0;
while skip=$((8 + $1 + $8 / 128 * ($8 % 8))) && test "$9 ${10}" = "8 4" && test $skip -lt $(($# - 16)); do shift $skip; done;
has=;
if test "$9 ${10} ${11}" = "8 1 16"; then
  shift 11;
  while test $1 -ge 128; do shift; done;
  if test "$2 $4" = "26 8"; then
    shift 4; id=0 bits=0;
    while test $1 -ge 128; do id=$((id | ($1 - 128) << bits)) bits=$((bits + 7)); shift; done;
    has=$((id | $1 << bits));
    test "$((65536 * 65536))" = 4294967296 || has=;
  fi;
fi;
id=0 digits=$want;
while test -n "$digits"; do
  rest=${digits#?};
  digit=${digits%"$rest"} digits=$rest;
  id=$((id << 4 | 0x$digit));
done;
if test -n "$has" && test -n "$want" && test "$has" != "$id"; then
  echo "refusing to start: the WAL in $dir is of member $(printf %x "$has"), and $born says that member $want lives here." >&2;
  echo "Put the right disk back. A copy of another member must never run: there would be two processes with one member ID." >&2;
  exit 1;
fi;
note=${born%/*}/log-end of= at= file= feeds= more=;
if test -r "$note"; then read -r of at file feeds more <"$note" || exit 0; fi;
test -n "$want" && test -n "$since" && test "$of $at" = "$want $since" && test -z "$more" || exit 0;
mine=${last##*/} its=$file older=;
case "$mine $its" in
0???????????????-????????????????.wal" "0???????????????-????????????????.wal) ;;
*) exit 0;;
esac;
mine=${mine%%-*} its=${its%%-*};
case "$mine$its $feeds" in
*[!0-9a-f]*" "* | *" " | *" "*[!0-9]*) exit 0;;
esac;
if test $((0x$mine)) -lt $((0x$its)); then older=yes;
elif test "${last##*/}" = "$file" && test "$(exec wc -l <"$last")" -lt "$feeds" 2>/dev/null; then older=yes;
fi;
if test -n "$older"; then
  echo "refusing to start: the WAL in $dir is older than this member: when it stopped last, there was more in its log, as $note says." >&2;
  echo "Put the right disk back. With this one it would forget what it has acknowledged: writes that clients were told are safe could get lost." >&2;
  echo "If the right one is lost, the member has to be removed from the cluster and added anew: clusterup member replace NAME INVENTORY does that." >&2;
  exit 1;
fi;
exit 0
