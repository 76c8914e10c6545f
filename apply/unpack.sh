# Takes a release out of its archive. The lines above this one set: dir archive inside sums() remove_uploads()
root=${dir%/*}
exec 8<"$root"
flock -w 600 8
trap 'exit 143' TERM HUP PIPE

# Nobody else is at anything here now: what lies about was left by runs that lost their host.
for old in "$root"/[0-9]*-????????.??????; do
  [ ! -d "$old" ] || rm -rf "$old"
done

# manifest lets a later look tell an unchanged binary without reading it.
manifest() {
  sums | while read -r sum name; do
    echo "$sum $(stat -c '%s %i %.9Z' "$name") $name"
  done
}
write_manifest() {
  manifest >manifest.new
  chmod 0644 manifest.new
  mv -f manifest.new manifest
}

# A run for another cluster may have been faster.
there() {
  cd "$dir" && [ -f manifest ] && [ "$(manifest)" = "$(cat manifest)" ] || return
  for name in etcd etcdctl etcdutl; do
    [ ! -L "$name" ] || return
  done
  sums | sha256sum --status -c -
}
if (there) 2>/dev/null; then
  remove_uploads
  exit 0
fi

# The last four bytes of the archive say how much is in it. A disk that is filled to the last byte would hurt others.
set -- $(tail -c 4 "$archive" | od -An -tu1)
need=$(((($4 * 256 + $3) * 256 + $2) * 256 + $1))
set -- $(df -Pk "$root" | tail -n 1)
if [ "$need" -gt $(($4 * 1024)) ]; then
  echo "no room to unpack the release on $6: $((need / 1048576 + 1)) MiB needed, $(($4 / 1024)) MiB free" >&2
  exit 1
fi

new=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$new"' EXIT
take() { tar -xzf "$archive" -C "$new" --strip-components="$1" --no-same-owner "$2/etcd" "$2/etcdctl" "$2/etcdutl"; }
if ! said=$(take 1 "$inside" 2>&1); then # names may begin with "./", as tar -C DIR . packs them
  set -- "$new"/*
  if [ -e "$1" ]; then
    echo "$said" >&2
    exit 1
  fi
  take 2 "./$inside"
fi
cd "$new"
sums | sha256sum --quiet -c -
chown root:root etcd*
chmod 0755 . etcd*
remove_uploads # before the binaries are where they belong: after that no look would find what is left
if [ -d "$dir" ]; then
  for name in etcd etcdctl etcdutl; do mv -fT $name "$dir/$name"; done
  chown root:root "$dir"; chmod 0755 "$dir"
  cd "$dir"; write_manifest
else
  write_manifest
  sync etcd etcdctl etcdutl manifest .
  mv -T "$new" "$dir"
fi
cd /
sync "$dir"/* "$dir" "$root"
