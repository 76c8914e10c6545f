# What the scripts of this package answer with. The shell's own words do all of it, since each process costs a host
# milliseconds.
tab='	'
newline='
'

# say KIND FIELD...: one line of an answer, its fields parted by TABs. A stranger may have given a file or a process its
# name, and shall not write lines here: in every field \\ stands for a backslash, \t for a TAB and \n for a line end.
say() {
  said=$1
  shift
  for field; do
    case $field in
    *\\* | *"$tab"* | *"$newline"*) encode ;;
    esac
    said=$said$tab$field
  done
  printf '%s\n' "$said"
}
encode() {
  rest=$field field=
  while :; do
    head=${rest%%[\\"$tab$newline"]*}
    field=$field$head
    rest=${rest#"$head"}
    case $rest in
    \\*) field=$field'\\' ;;
    "$tab"*) field=$field'\t' ;;
    "$newline"*) field=$field'\n' ;;
    *) break ;;
    esac
    rest=${rest#?}
  done
}

# each KIND TEXT: a line of the answer for every line of the text that is not empty.
each() {
  IFS=$newline
  set -f
  for printed in $2; do say "$1" "$printed"; done
  set +f
  unset IFS
}

# flat FILE [BYTES]: $flat is what it holds, or that much of it, in base64 without line ends.
flat() {
  if [ $# -gt 1 ]; then
    set -- $(head -c "$2" "$1" | base64)
  else
    set -- $(base64 <"$1")
  fi
  IFS=
  flat="$*"
  unset IFS
}

# room DIRECTORY: $room is the number of kilobytes available where it lies or will lie, empty where df has none to tell;
# $mount is where that file system is mounted, $dir the nearest directory that exists.
room() {
  dir=$1 mount=
  while [ ! -d "${dir:-/}" ]; do dir=${dir%/*}; done
  dir=${dir:-/}
  room=$(df -Pk "$dir")
  room=${room#*"$newline"}
  case $room in *[0-9-]*' /'*) mount=/${room#*[0-9-]* /} ;; esac
  case $room in
  *'% /'*) room=${room%%\% /*} ;;
  *) room= ;;
  esac
  room=${room% *}
  room=${room%"${room##*[! ]}"}
  room=${room##* }
  case $room in *[!0-9]*) room= ;; esac
}
