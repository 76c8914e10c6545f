test -e "$1" || exit 0
for wal in "$2"/*.wal; do test -e "$wal" && exit 0; done
echo "refusing to start: $1 says that this member already had data, but there is no WAL in $2." >&2
echo "Is the disk mounted? If the data is lost, do not start it empty: the member has to be removed from the cluster and added anew." >&2
exit 1
