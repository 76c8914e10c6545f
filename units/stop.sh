born=$1 dir=$2 last=;
test -e "$born" || exit 0;
for wal in "$dir"/*.wal; do last=$wal; done;
for open in /proc/"$MAINPID"/fd/*; do
  if test "$open" -ef "$last"; then
    umask 022;
    echo "stopping $INVOCATION_ID" >>"${born%/*}/log-end";
    exit 0;
  fi;
done;
exit 0
