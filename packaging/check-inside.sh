#!/bin/bash
# What check.sh has done inside of its Debian, by its systemd.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

say() { echo "--- $*"; }
fail() {
	echo "FAILED: $*"
	systemctl --no-pager --failed || true
	journalctl --no-pager -n 60 || true
	exit 1
}
trap 'fail "line $LINENO"' ERR
until_true() { # SECONDS COMMAND...
	local left=$1
	shift
	until "$@" >/dev/null 2>&1; do
		((left-- > 0)) || fail "in time: $*"
		sleep 1
	done
}
owner() { stat -c %U:%a "$1"; }
same() { [ "$1" = "$2" ] || fail "got '$1', want '$2'"; }

units=(nym-directory@default nym-mixnode@{1,2,3} nym-gateway@default nym-network-requester@default nym-socks5@default)
api=http://127.0.0.1:8080/api/

fetch() { # through the mixnet, a page of the directory, which the requester may dial
	curl -fsS --max-time 60 --socks5-hostname 127.0.0.1:1080 "${api}v1/topology" -o /dev/null
}

say "install the version before"
apt-get install -y -q /check/before/*.deb
same "$(getent passwd nym-socks5 | cut -d: -f6,7)" /var/lib/nym-socks5:/usr/sbin/nologin
same "$(owner /etc/nym-socks5) $(owner /var/lib/nym-socks5)" "nym-socks5:700 nym-socks5:700"
man -w mixnode network-requester >/dev/null
bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader mixnode; complete -p mixnode' >/dev/null
same "$(systemctl list-units --all --plain --no-legend 'nym-*' | wc -l)" 0
systemd-analyze verify /usr/lib/systemd/system/nym-*@.service
systemd-analyze security --no-pager --offline=true /usr/lib/systemd/system/nym-mixnode@.service | tail -n 1

say "set a network up, as root"
directory init --network example --listen 127.0.0.1:8080 --url $api
key=$(directory details | awk '$1 == "directory_key" { print $2 }')
net=(--network example --directory "$api" --directory-key "$key")
for i in 1 2 3; do
	mixnode init --id $i --mix-listen 127.0.0.$i:1789 --register "${net[@]}"
	directory allow --role mixnode "$(mixnode details --id $i | awk '$1 == "identity_key" { print $2 }')"
done
gateway init --mix-listen 127.0.0.4:1789 --clients-listen 127.0.0.4:443 --register "${net[@]}"
directory allow --role gateway "$(gateway details | awk '$1 == "identity_key" { print $2 }')"
network-requester init --allow 127.0.0.1:8080 --register "${net[@]}"
directory allow --role requester "$(network-requester details | awk '$1 == "identity_key" { print $2 }')"
nym-socks5 init --requester auto "${net[@]}"
same "$(owner /etc/nym-socks5/mixnode/1.toml) $(owner /var/lib/nym-socks5/mixnode/1/identity.pem)" "nym-socks5:600 nym-socks5:600"
same "$(find /etc/nym-socks5 /var/lib/nym-socks5 ! -user nym-socks5)" ""

say "a port below 1024 takes a drop-in"
systemctl start --no-block nym-directory@default nym-gateway@default
until_true 20 sh -c 'systemctl show -P StatusText nym-directory@default | grep .'
until_true 20 sh -c 'journalctl -u nym-gateway@default | grep -i "permission denied\|below 1024"'
mkdir -p /etc/systemd/system/nym-gateway@default.service.d
ln -s /usr/share/nym-socks5/low-ports.conf /etc/systemd/system/nym-gateway@default.service.d/
systemctl daemon-reload
systemctl reset-failed nym-gateway@default || true

say "start all, and fetch a page through it"
systemctl enable --quiet "${units[@]}"
systemctl restart --no-block "${units[@]}"
for u in "${units[@]}"; do until_true 90 systemctl is-active "$u"; done
until_true 60 fetch
identity=$(mixnode details --id 1)
pid=$(systemctl show -P MainPID nym-mixnode@1)
same "$(ps -o user= -p "$pid" 2>/dev/null || stat -c %U "/proc/$pid")" nym-socks5

say "upgrade, with a changed conffile and a variable in it"
echo "MIXNODE_LOG_LEVEL=debug" >>/etc/default/nym-socks5
apt-get install -y -q --allow-downgrades /check/after/*.deb
same "$(dpkg-query -W -f '${Version}' nym-socks5)" "$(dpkg-deb -f /check/after/*.deb Version)"
until_true 30 sh -c "test \$(systemctl show -P MainPID nym-mixnode@1) != $pid"
for u in "${units[@]}"; do until_true 90 systemctl is-active "$u"; done
same "$(mixnode details --id 1)" "$identity"
tail -n 1 /etc/default/nym-socks5 | grep -q MIXNODE_LOG_LEVEL=debug
until_true 60 fetch

say "remove, and install again: all is as it was"
apt-get remove -y -q nym-socks5
same "$(systemctl list-units --plain --no-legend --state=active 'nym-*' | wc -l)" 0
[ ! -e /usr/bin/mixnode ]
[ -e /var/lib/nym-socks5/mixnode/1/identity.pem ]
apt-get install -y -q /check/after/*.deb
same "$(mixnode details --id 1)" "$identity"
systemctl start --no-block "${units[@]}"
for u in "${units[@]}"; do until_true 90 systemctl is-active "$u"; done
until_true 60 fetch

say "purge"
apt-get purge -y -q nym-socks5
rm -r /etc/systemd/system/nym-gateway@default.service.d
same "$(find / -xdev \( -path /proc -o -path /check -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o \( -name '*nym-*' -o -user nym-socks5 \) -print)" ""

say "RPM: install, upgrade, remove"
rpm --initdb
before=$(rpm -qp --qf '%{version}' /check/before/*.rpm)
rpm -i --nodeps /check/before/*.rpm
mixnode init --mix-listen 127.0.0.1:1789 --network example --directory $api
same "$(owner /var/lib/nym-socks5/mixnode/default/identity.pem)" nym-socks5:600
same "$(rpm -q --qf '%{version}' nym-socks5)" "$before"
echo "# changed" >>/etc/default/nym-socks5
rpm -U --nodeps --oldpackage /check/after/*.rpm
tail -n 1 /etc/default/nym-socks5 | grep -q changed
systemctl enable --quiet nym-mixnode@default
rpm -e nym-socks5
[ ! -e /usr/bin/mixnode ]
[ ! -e /etc/systemd/system/multi-user.target.wants/nym-mixnode@default.service ]
[ -e /var/lib/nym-socks5/mixnode/default/identity.pem ]

echo "all packages are fine"
