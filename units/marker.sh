read_marker() {
  text=;
  while read -r line || test -n "$line"; do text="$text $line"; done <"$born";
  case $text in
  *?member_id?:*) want=${text#*?member_id?:} want=${want#*[! ]} want=${want%%[!0-9a-f]*};;
  *) want=;;
  esac;
  case $text in
  *?created?:*) since=${text#*?created?:} since=${since#*[! ]} since=${since%%[!0-9TZ:.+-]*};;
  *) since=;;
  esac;
};
