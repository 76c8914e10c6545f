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
