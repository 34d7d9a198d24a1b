#!/bin/sh
# Tries the packages of dist/ in a Debian of its own, under its own systemd and with
# no network but loopback: installs those of the commit before, runs a whole
# mixnet of them, upgrades it to those of dist/, removes and purges; then RPM.
# usage: check.sh, in the top folder, as root. DEBIAN=folder keeps the Debian for
# the next time.
set -eu

for tool in debootstrap systemd-nspawn git; do
	command -v $tool >/dev/null || {
		echo "check: there is no $tool here; on Debian: apt install debootstrap systemd-container git" >&2
		exit 1
	}
done
go=${GO:-go}
target=linux/$($go env GOHOSTARCH)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
debian=${DEBIAN:-$work/debian}

[ -e dist/stage/about ] || make packages TARGETS="$target"
ls dist/*.deb >/dev/null
revision=$(sed -n 's/^revision=//p' dist/stage/about)
before=$(git rev-parse "$revision~1")
$go run ./internal/release/run -rev "$before" -targets "$target" -out "$work/before"
GO=$go ./packaging/build.sh "$work/before"

if [ ! -e "$debian/etc/debian_version" ]; then
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,man-db,bash-completion,curl,rpm \
		bookworm "$debian"
fi
root=$work/root
cp -a "$debian" "$root"
mkdir -p "$root/check/before" "$root/check/after"
cp "$work"/before/*.deb "$work"/before/*.rpm "$root/check/before/"
cp dist/*_"${target#*/}".deb dist/*."$(uname -m)".rpm "$root/check/after/"
cp packaging/check-inside.sh "$root/check/"
cat >"$root/etc/systemd/system/check.service" <<END
[Unit]
[Service]
Type=oneshot
ExecStart=/check/check-inside.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/check/log
StandardError=inherit
[Install]
WantedBy=default.target
END
ln -s ../check.service "$root/etc/systemd/system/multi-user.target.wants/check.service"
timeout 600 systemd-nspawn --quiet --directory "$root" --register=no --keep-unit --private-network --boot \
	>"$work/boot" 2>&1 </dev/null || true
cat "$root/check/log"
if ! grep -qx "all packages are fine" "$root/check/log"; then
	tail -n 30 "$work/boot"
	echo "check: failed" >&2
	exit 1
fi
