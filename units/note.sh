born=$1 dir=$2 note=${1%/*}/log-end last= begun=;
case "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" in
"success killed TERM" | "success exited 0") ;;
*) exit 0;;
esac;
test -e "$born" && test -r "$note" || exit 0;
for wal in "$dir"/*.wal; do last=$wal; done;
while read -r line; do begun=$line; done <"$note";
read_marker;
case "$begun ${last##*/}" in
"stopping ${INVOCATION_ID:-never}"" "0???????????????-????????????????.wal) ;;
*) exit 0;;
esac;
if test -z "$want" || test -z "$since" || ! test -f "$last"; then exit 0; fi;
umask 022;
exec >"$note";
printf "%s %s %s " "$want" "$since" "${last##*/}";
exec wc -l <"$last"
