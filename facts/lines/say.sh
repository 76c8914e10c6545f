# What scripts answer with. The shell's own words do all of it, since each process costs a host milliseconds.
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
