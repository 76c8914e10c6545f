# The doors of a probe. The lines above this one set: listen nonce link

# open_doors has something listen wherever $listen says, in the background, as $listener. It tells whoever connects
# $nonce and the number of the process that answers, and sends back what they send. It ends after a minute by itself.
# systemd-socket-activate comes with systemd and registers nothing there. It runs under the beginning of the name of
# $link, so that whoever finds it in a list of listeners can tell what it is.
open_doors() {
  tool=/usr/bin/systemd-socket-activate
  [ -x "$tool" ] || tool=$(command -v systemd-socket-activate) || { echo "systemd-socket-activate is missing"; return; }
  ln -s "$tool" "$link" 2>&1 || return
  set --
  for at in $listen; do set -- "$@" -l "$at"; done
  SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_COLOR=0 SYSTEMD_LOG_LOCATION=0 \
    timeout --foreground 60 "$link" -a --inetd "$@" -- /bin/sh -c 'echo "$0 $$"; exec cat' "$nonce" </dev/null 2>&1 &
  listener=$!
}

# hear reads what the listener says, until it is gone. The link is gone before anyone is told that it listens.
hear() {
  missing=0 heard=0 last=
  for at in $listen; do missing=$((missing + 1)); done
  while IFS= read -r line; do
    last=$line
    case $line in
    'Listening on '*)
      missing=$((missing - 1))
      if [ "$missing" = 0 ]; then
        rm -f "$link"
        say doors ''
      fi
      ;;
    'Connection from '*)
      peer=${line#Connection from }
      peer=${peer%% *}
      ;;
    'Spawned '*' as PID '*)
      pid=${line##* }
      heard=$((heard + 1))
      if [ "$heard" -le 1000 ]; then say caller "${pid%.}" "$peer"; fi # strangers call too
      ;;
    esac
  done
  if [ "$missing" -gt 0 ]; then say doors "cannot listen: $last"; fi
}
