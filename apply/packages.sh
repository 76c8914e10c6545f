# Installs packages with apt. The line above this one sets the arguments: the names of the packages.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

# Whoever installs a package asks this whether what it brings may start (invoke-rc.d, deb-systemd-invoke). It says no only
# while this shell lives: one that is left behind by a power cut holds nothing up.
policy=/usr/sbin/policy-rc.d
mark='# Services wait for clusterup, which is installing packages.'
ours() { [ -f "$policy" ] && { read -r _ && IFS= read -r line && [ "$line" = "$mark" ]; } <"$policy" 2>/dev/null; }
trap 'trap "" TERM HUP INT PIPE; if ours; then rm -f "$policy"; fi' EXIT
trap 'exit 143' TERM HUP INT PIPE
if { [ ! -e "$policy" ] && [ ! -L "$policy" ]; } || ours; then
  (umask 022 && printf '#!/bin/sh\n%s\nif kill -0 %s 2>/dev/null; then exit 101; fi\nexit 0\n' "$mark" $$ >"$policy" &&
    chmod 0755 "$policy")
fi

get() {
  apt-get install -y -qq --no-install-recommends --no-remove -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null >/dev/null
}

# free COMMAND: does what takes dpkg's lock and does not wait for it, again while another process has it.
free() {
  tries=0
  until said=$("$@" 2>&1 </dev/null); do
    case $said in *lock*) ;; *) echo "$said" >&2; return 1 ;; esac
    tries=$((tries + 1))
    if [ "$tries" -ge 600 ]; then echo "$said" >&2; return 1; fi
    sleep 1
  done
}
missing=
for name; do
  case $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) in installed) ;; *) missing=$name ;; esac
done
if [ -n "$missing" ]; then
  get "$@" 2>/dev/null || {
    free dpkg --configure -a --force-confold # it may have been ended in the middle
    apt-get update -qq </dev/null >/dev/null
    get "$@"
  }
fi
free apt-mark -qq hold "$@"
