# Puts files in place. Go puts put_token, put_block and the function files in front; files calls its arguments once for each file,
# with: INDEX PATH OWNER GROUP MODE SIZE SHA256 KEEP. Answers go to standard output, a line each, without any path:
#   S i                    it is there already
#   N i NAME HAVE AVAIL MOUNT   it is needed: kind of temporary name, bytes already there, KiB free, on which mount
#   B i DIGEST...          digests of the blocks of what is already there
#   L i                    its content is there, its owner or mode is not: copied on the host
#   E i WHAT TEXT          it cannot be placed
#   .                      all files have been looked at; now data is read: "i OFFSET SIZE", the bytes, and at last "."
#   C i                    it has been replaced
put_say() { printf '%s\n' "$*"; }
put_fail() {
	put_failed=1
	printf '%s' "E $*" | tr '\n' ' '
	echo
}
put_digest() {
	put_sum=$(sha256sum <"$1") || put_sum=
	put_sum=${put_sum%% *}
}
put_set() { eval "put_$1_$2=\$3"; }
put_get() { eval "put_got=\${put_$1_$2-}"; }

# A temporary file that a cut upload leaves for the next one needs a name that can be guessed, so it is used only where nobody
# else can write.
put_private() {
	set -- $(stat -c '%u %a' -- "$1")
	case $2 in *[2367]? | *[2367]) return 1 ;; esac
	[ "$1" = "$put_uid" ]
}
put_mine() {
	[ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c '%u %a %h' -- "$1")" = "$put_uid 600 1" ]
}
put_create() (
	set -C
	: >"$1"
)

put_check() {
	put_dir=${2%/*}
	put_dir=${put_dir:-/}
	if [ ! -d "$put_dir" ]; then
		put_fail "$1" nodir "$put_dir"
		return
	elif [ -d "$2" ] && [ ! -L "$2" ]; then
		put_fail "$1" isdir "$2"
		return
	fi
	put_sum=
	if [ -f "$2" ] && [ ! -L "$2" ]; then
		put_digest "$2"
		put_stat=$(stat -c '%U %u %G %g %a' -- "$2")
		if [ "$put_sum" = "$7" ] && put_owned "$3" "$4" "$5" $put_stat; then
			put_say S "$1"
			return
		fi
	fi
	if [ "$put_sum" = "$7" ]; then
		put_temp "$1" "$2.$put_token.tmp" && cat <"$2" >"$2.$put_token.tmp" && put_say L "$1"
		return
	fi
	put_name=tmp put_have=0
	if [ "$8" = keep ] && put_private "$put_dir"; then
		put_name=part
		put_part "$1" "$2.$(printf %.8s "$7").part" "$6"
	else
		put_temp "$1" "$2.$put_token.tmp"
	fi || return
	put_room "$put_dir"
	put_say N "$1" "$put_name" "$put_have" "$put_avail" "$put_mount"
	[ "$put_have" = 0 ] || put_blocks "$1"
}
put_owned() { # OWNER GROUP MODE, then what stat says
	{ [ "$1" = "$4" ] || [ "$1" = "$5" ] || [ "${1:-$put_uid}" = "$5" ]; } &&
		{ [ "$2" = "$6" ] || [ "$2" = "$7" ] || [ "${2:-$put_gid}" = "$7" ]; } && [ "$3" = "$8" ]
}
put_temp() { # INDEX TEMP
	for put_old in "${2%.$put_token.tmp}".????????????????????????.tmp; do # what a run left that was killed before it could tidy up
		[ ! -f "$put_old" ] || [ -L "$put_old" ] || rm -f -- "$put_old"
	done
	if put_words=$(put_create "$2" 2>&1); then
		put_set temp "$1" "$2"
		return
	fi
	put_fail "$1" write "$put_words"
	return 1
}
put_part() { # INDEX TEMP SIZE: what an earlier upload left, if it can be trusted to be ours
	if put_mine "$2"; then
		put_set temp "$1" "$2"
		put_have=$(stat -c %s -- "$2")
		if [ "$put_have" -gt "$3" ]; then
			: >"$2"
			put_have=0
		fi
	else
		rm -f -- "$2"
		put_temp "$1" "$2"
	fi
}
put_room() { # DIRECTORY: a df that has nothing to tell stops nobody
	put_avail=- put_mount=/
	put_line=$(df -Pk -- "$1")
	case $put_line in *[0-9]' '*'% /'*) ;; *) return ;; esac
	put_mount=/${put_line#*% /}
	put_line=${put_line%%% /*}
	put_line=${put_line% *}
	put_line=${put_line%"${put_line##*[! ]}"}
	put_line=${put_line##* }
	case $put_line in '' | *[!0-9]*) ;; *) put_avail=$put_line ;; esac
}
put_blocks() {
	put_get temp "$1"
	put_i=0 put_list=
	while [ $(((put_i + 1) * put_block)) -le "$put_have" ]; do
		put_sum=$(dd if="$put_got" bs="$put_block" skip="$put_i" count=1 iflag=fullblock 2>/dev/null | sha256sum)
		put_list="$put_list ${put_sum%% *}"
		put_i=$((put_i + 1))
	done
	put_say B "$1" "${put_list# }"
}

put_receive() {
	while read -r put_index put_offset put_size; do
		[ "$put_index" != . ] || return 0
		put_get temp "$put_index"
		put_words=$(put_data "$put_got" "$put_offset" "$put_size" 2>&1) && continue
		put_room "${put_got%/*}"
		[ "$put_avail" = - ] || [ $((put_avail * 1024)) -ge "$put_size" ] || put_words="nospace $put_avail $put_mount"
		case $put_words in nospace*) ;; *) put_words="write $put_words" ;; esac
		put_fail "$put_index" "$put_words"
		rm -f -- "$put_got"
		exit 1
	done
	exit 1 # the sender gave up
}
put_data() { # TEMP OFFSET SIZE
	dd if=/dev/null of="$1" bs=1 seek="$2" 2>/dev/null || return
	set -- "$1" $(($3 / 1048576)) $(($3 % 1048576))
	[ "$2" = 0 ] || dd bs=1048576 count="$2" iflag=fullblock status=none >>"$1" || return
	[ "$3" = 0 ] || dd bs="$3" count=1 iflag=fullblock status=none >>"$1"
}

put_verify() {
	put_get temp "$1"
	[ -n "$put_got" ] || return 0
	put_digest "$put_got"
	if [ "$put_sum" != "$7" ]; then
		rm -f -- "$put_got"
		put_fail "$1" digest "$put_sum"
	elif ! put_words=$(chown -- "${3:-$put_uid}:${4:-$put_gid}" "$put_got" 2>&1 && chmod -- "$5" "$put_got" 2>&1); then
		put_fail "$1" owner "$put_words"
	else
		sync -- "$put_got" || sync
	fi
}
put_place() {
	put_get temp "$1"
	[ -n "$put_got" ] || return 0
	if ! put_words=$(mv -fT -- "$put_got" "$2" 2>&1); then
		put_fail "$1" write "$put_words"
		exit 1
	fi
	put_set temp "$1" ""
	put_say C "$1"
	sync -- "${2%/*}/" || sync
}
put_clean() { # what is not placed goes, except what the next upload can go on from
	put_get temp "$1"
	case $put_got in *.tmp) rm -f -- "$put_got" ;; ?*) [ ! -f "$put_got" ] || { chown -- "$put_uid" "$put_got" && chmod 600 "$put_got"; } ;; esac
}

put_failed=
put_uid=$(id -u)
put_gid=$(id -g)
trap 'trap "" TERM HUP PIPE; files put_clean 2>/dev/null' EXIT
trap 'exit 143' TERM HUP PIPE
files put_check
put_say .
[ -z "$put_failed" ] || exit 1
put_receive
files put_verify
[ -z "$put_failed" ] || exit 1
files put_place
[ -z "$put_failed" ]
