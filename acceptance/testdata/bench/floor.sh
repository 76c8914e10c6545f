#!/bin/bash
# The floor of the benchmark: the fastest way by hand that its author knows, in a clean shell, with nothing checked, nothing synced, and no
# second attempt. It runs in an empty directory. KEY, KNOWN_HOSTS, ARCHIVE, UNIT and HOSTS ("NAME=ADDRESS ...") come from outside.
set -euo pipefail
umask 077
made=() started=()

ssh=(ssh -F none -i "$KEY" -o UserKnownHostsFile="$KNOWN_HOSTS" -o BatchMode=yes -c aes128-gcm@openssh.com
	-o ControlMaster=auto -o ControlPath="$PWD/%h" -o ControlPersist=60)

# The release goes out first: it is what takes long.
for host in $HOSTS; do
	"${ssh[@]}" "root@${host#*=}" '
		useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin etcd
		mkdir -p -m 755 /opt/etcd /etc/etcd /etc/etcd/tls /var/lib/etcd
		mkdir -m 700 /var/lib/etcd/bench
		chown etcd: /var/lib/etcd/bench
		exec tar -xzf - -C /opt/etcd --strip-components=1 --no-same-owner
	' <"$ARCHIVE" &
done

# Meanwhile: two CAs, a peer and a server certificate for every host, and one for a client.
ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256)
for ca in peer client; do
	openssl req -x509 "${ec[@]}" -days 3650 -subj "/CN=$ca CA" -keyout $ca-ca-key.pem -out $ca-ca.pem 2>/dev/null &
	made+=($!)
done
wait "${made[@]}"
made=()
leaf() { # CA COMMON-NAME NAMES FILE
	openssl req -x509 "${ec[@]}" -days 365 -CA "$1-ca.pem" -CAkey "$1-ca-key.pem" -subj "/CN=$2" -addext "subjectAltName=$3" \
		-addext basicConstraints=critical,CA:false -addext keyUsage=critical,digitalSignature \
		-addext extendedKeyUsage=serverAuth,clientAuth -keyout "$4-key.pem" -out "$4.pem" 2>/dev/null &
	made+=($!)
}
cluster=
for host in $HOSTS; do
	name=${host%%=*} address=${host#*=}
	tls=$name/etc/etcd/tls
	mkdir -p "$tls" "$name/etc/systemd/system"
	names=IP:$address,IP:127.0.0.1,DNS:$name,DNS:localhost
	leaf peer "peer:$name" "$names" "$tls/peer"
	leaf client "server:$name" "$names" "$tls/server"
	cluster=$cluster${cluster:+,}$name=https://$address:2380
done
leaf client app DNS:app app
wait "${made[@]}"

for host in $HOSTS; do
	name=${host%%=*} address=${host#*=}
	cp peer-ca.pem client-ca.pem "$name/etc/etcd/tls"
	sed "s|{{ member }}|$name|g; s|{{ address }}|$address|g; s|{{ initial_cluster }}|$cluster|" "$UNIT" >"$name/etc/systemd/system/etcd.service"
done
wait

for host in $HOSTS; do
	tar -cf - -C "${host%%=*}" etc/etcd/tls etc/systemd/system/etcd.service | "${ssh[@]}" "root@${host#*=}" '
		tar -xf - -C / --no-same-owner --no-overwrite-dir
		chown etcd: /etc/etcd/tls/*
		chmod 644 /etc/systemd/system/etcd.service
		systemctl daemon-reload
		exec systemctl enable --now --quiet etcd
	' &
	started+=($!)
done
wait "${started[@]}"
for host in $HOSTS; do
	"${ssh[@]}" -O exit "root@${host#*=}" 2>/dev/null &
done
wait
