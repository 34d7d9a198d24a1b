#!/bin/sh
# Makes the user and the two folders of the services, and has those that run
# start again. Debian says "configure" and which version was there before; RPM says
# how many versions are there now.
set -e

user=nym-socks5
if ! getent passwd "$user" >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/nym-socks5 --no-create-home \
		--shell /usr/sbin/nologin --comment "Services of nym-socks5" "$user"
fi
for dir in /etc/nym-socks5 /var/lib/nym-socks5; do
	if [ ! -d "$dir" ]; then
		install -d -m 0700 -o "$user" -g "$user" "$dir"
	elif [ "$(stat -c %u "$dir")" = 0 ]; then
		# Root used the programs before there was a package. Its profiles become the
		# services', which could not read them otherwise.
		chown -R "$user:$user" "$dir"
	fi
done

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case $1 in
configure) [ -n "$2" ] || exit 0 ;; # installed, not upgraded
1) exit 0 ;;
esac
for program in directory mixnode gateway network-requester broadcaster socks5 client; do
	systemctl try-restart --no-block "nym-$program@*.service"
done
