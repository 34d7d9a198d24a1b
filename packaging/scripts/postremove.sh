#!/bin/sh
# After removal nothing starts at boot. Settings, keys and state stay until
# Debian says "purge"; RPM never says that. The user stays: a number that was
# given to somebody else would own what is left of its files elsewhere.
set -e

links() {
	for program in directory mixnode gateway network-requester broadcaster socks5 client; do
		rm -f /etc/systemd/system/multi-user.target.wants/nym-$program@*.service
	done
}
case $1 in
purge)
	links
	rm -rf /etc/nym-socks5 /var/lib/nym-socks5
	;;
0) links ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
