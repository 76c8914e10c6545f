# The frame around every script. Go puts cu_mark and cu_ttl in front, and sends this as the second line of standard input, after a
# guard, the script as the third (both as printf %b reads them), then frames: "N" and N bytes of input, "0" for its end, "." for a
# heartbeat. When input ends without the script having ended, the connection is gone or the operator stopped it: the script and
# all its children are ended. POSIX sh only; runs in dash, bash and busybox ash.
# With noexec, sudo loads this into all that it runs, and none of the commands below would start.
case $LD_PRELOAD in *sudo_noexec*) exit 124 ;; esac
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 077
cd /
IFS= read -r cu_script || exit 125
cu_script=$(printf %b "$cu_script.")
cu_script=${cu_script%.}
printf '%s\n' "$cu_mark"
printf '%s\n' "$cu_mark" >&2
exec 3<&0 4>&2 </dev/null 2>/dev/null

# The process group may be signalled as a whole only if it began with this command (or with the sudo around it).
read -r _ _ _ _ cu_group _ </proc/$$/stat
[ "$cu_group" = $$ ] || { [ -n "$SUDO_COMMAND" ] && [ "$cu_group" = "$PPID" ]; } || cu_group=

cu_tree() { # SIGNAL PID: a process and all below it, without this watcher and the frame itself
	for cu_c in $(cat "/proc/$2/task/"*/children); do
		[ "$cu_c" = "$cu_w" ] || cu_tree "$1" "$cu_c"
	done
	[ "$2" = $$ ] || kill "-$1" "$2"
}
cu_signal() {
	if [ -n "$cu_group" ]; then kill "-$1" 0; else cu_tree "$1" $$; fi
}
cu_next() {
	if [ -n "$cu_ttl" ] && command -v timeout >/dev/null; then
		cu_n=$(timeout "$cu_ttl" /bin/sh -c 'IFS= read -r n && printf %s "$n"')
	else
		IFS= read -r cu_n
	fi
}
cu_feed() {
	while cu_next; do
		case $cu_n in
		.) ;;
		0) exec >/dev/null ;;
		*) dd bs="$cu_n" count=1 iflag=fullblock ;;
		esac
	done
	cu_signal TERM
	sleep 0.5 || sleep 1
	cu_signal TERM # for a shell that was about to read or to fork when the first one came; its input must not end before it has
	sleep 1.5 || sleep 1
	cu_signal KILL
}

trap : TERM
{
	read -r cu_w _ </proc/self/stat
	echo "$cu_w"
	trap '' TERM HUP
	exec 4>&-
	cu_feed
} <&3 | {
	exec 3<&-
	trap : TERM
	read -r cu_w
	(
		exec 2>&4 4>&-
		eval "$cu_script"
	)
	cu_status=$?
	kill -KILL "$cu_w"
	exit "$cu_status"
}
