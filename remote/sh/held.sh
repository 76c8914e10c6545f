# The frame in which one shell runs one script after the other. Go puts cu_mark (MARK below) and cu_ttl in front. POSIX
# sh only; runs in dash, bash and busybox ash.
#
# It reads, line by line:
#   MARK s, f or o      a script, up to a line MARK
#   MARK s, f or o N    a script of N bytes, the last of which are MARK: of lines a shell reads one byte at a time
#   MARK k N            the same as MARK s N, and the script is kept
#   MARK k              the kept script runs once more
# After f and o comes the script's input: "N" and N bytes, "0" for its end, "." for a heartbeat. A script of o may end
# before its input does.
#
# It answers, on standard output and standard error both; what stands in brackets only on standard output:
#   MARK r[l]           the frame is ready; l: sudo logs what is read here
#   MARK b              a script begins
#   MARK e[STATUS]      it has ended, with that exit status; u in place of e: it has not read all of its input
#
# A line or the end of input, while a script of s runs, means that the connection is gone or the operator stopped it:
# the script and all its children are ended, and then the frame.

# With noexec, sudo loads this into all that it runs, and none of the commands below would start.
case $LD_PRELOAD in *sudo_noexec*) exit 124 ;; esac
# A printf that is a program would show what is written with it in its argument list.
PATH=/nonexistent printf '' || exit 122
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 077
cd /
cu_line_end=${IFS#??}

# A sudo that logs what it is given to read gives the shell a pipe of its own in its place.
cu_logged=
if [ -n "$SUDO_COMMAND" ] && read -r cu_parent <"/proc/$PPID/comm" && [ "${cu_parent#sudo}" != "$cu_parent" ]; then
	[ "/proc/$$/fd/0" -ef "/proc/$PPID/fd/0" ] || cu_logged=l
fi
printf '%s r%s\n' "$cu_mark" "$cu_logged"
printf '%s r\n' "$cu_mark" >&2
exec 3<&0 4>&2 2>/dev/null

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
cu_end() {
	read -r cu_w _ </proc/self/stat
	cu_signal TERM
	sleep 0.5 || sleep 1
	cu_signal TERM # for a shell that was about to read or to fork when the first one came; its input must not end before it has
	sleep 1.5 || sleep 1
	cu_signal KILL
}
cu_next() {
	if [ -n "$cu_ttl" ] && command -v timeout >/dev/null; then
		cu_n=$(exec timeout "$cu_ttl" head -c 2) && [ -n "$cu_n" ] # here all lines are of one character
	else
		IFS= read -r cu_n
	fi
}
cu_feed() {
	while cu_next; do
		case $cu_n in
		.) ;;
		0)
			exec >/dev/null
			cu_ttl= # whoever is given nothing more ends by itself
			;;
		*) head -c "$cu_n" ;;
		esac
	done
	cu_end
}

trap 'cu_ended=yes' TERM
cu_ended= cu_kept=
while IFS= read -r cu_how; do
	cu_script=
	case $cu_how in
	"$cu_mark "[sfo])
		while IFS= read -r cu_line || exit; [ "$cu_line" != "$cu_mark" ]; do
			cu_script=$cu_script$cu_line$cu_line_end
		done
		;;
	"$cu_mark k")
		cu_script=$cu_kept
		cu_how="$cu_mark s"
		;;
	"$cu_mark "[ksfo]" "[1-9]*)
		cu_script=$(exec head -c "${cu_how##* }")
		case $cu_script in *"$cu_mark") ;; *) exit ;; esac # it was cut off
		case ${cu_how% *} in
		*k)
			cu_kept=$cu_script
			cu_how="$cu_mark s"
			;;
		*) cu_how=${cu_how% *} ;;
		esac
		;;
	*) break ;; # what an earlier script has left unread
	esac
	printf '%s b\n' "$cu_mark"
	printf '%s b\n' "$cu_mark" >&4
	case $cu_how in
	"$cu_mark s")
		(
			trap '' TERM HUP
			exec >/dev/null 3<&- 4>&-
			read -r cu_n
			cu_end
		) <&3 &
		cu_w=$!
		(
			exec 2>&4 3<&- 4>&-
			eval "$cu_script"
		) </dev/null
		cu_status=$?
		[ -z "$cu_ended" ] || exit # the watcher stays, for children that are deaf to it
		kill -KILL "$cu_w"
		wait "$cu_w"
		printf '%s e%s\n' "$cu_mark" "$cu_status"
		;;
	*)
		{
			read -r cu_w _ </proc/self/stat
			echo "$cu_w"
			trap '' TERM HUP
			exec 3<&- 4>&-
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
			cu_end=e
			case $cu_how in *f) if grep -q ''; then cu_end=u; fi ;; esac
			kill -KILL "$cu_w"
			printf '%s %s%s\n' "$cu_mark" "$cu_end" "$cu_status"
		}
		;;
	esac
	printf '%s e\n' "$cu_mark" >&4
done
