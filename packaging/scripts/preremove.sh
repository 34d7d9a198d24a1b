#!/bin/sh
# Stops the services, unless another version follows: Debian says "remove" then, and
# RPM that no version is left.
set -e

case $1 in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
for program in directory mixnode gateway network-requester broadcaster socks5 client; do
	systemctl stop "nym-$program@*.service"
done
