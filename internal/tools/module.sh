#!/bin/sh
# Gives the module of this repository another path, in go.mod files and imports.
# usage: module.sh PATH, in the top folder, by way of "make module PATH=..."
#
# make hands its variables to what it starts as their environment, so PATH names
# no folders of programs here.
set -eu
new=$1
PATH=$(command -p getconf PATH)
export PATH LC_ALL=C

case $new in
'' | *[!A-Za-z0-9._~/-]* | /* | */ | *//*)
	echo "make module: '$new' is no path of a Go module; say for example: make module PATH=example.org/you/nym-socks5" >&2
	exit 2
	;;
esac
old=$(sed -n 's/^module //p' go.mod)
if [ "$old" = "$new" ]; then
	echo "the module's path is $new already"
	exit 0
fi

esc=$(printf %s "$old" | sed 's/[.]/\\./g')
find . -name node_modules -prune -o -name go.mod -print | while read -r f; do
	sed -E "s#^(module |replace |[[:space:]]*)$esc(/| |\$)#\1$new\2#" "$f" >"$f.new"
	cat "$f.new" >"$f"
	rm "$f.new"
done

# Imports, and the few strings that are paths of packages: what is quoted and
# begins with the module's path and a folder of the repository.
folders=$(for d in */; do printf '%s|' "${d%/}"; done)
find . -name node_modules -prune -o -name '*.go' -print | while read -r f; do
	if grep -q "\"$old" "$f"; then
		sed -E -e "s#\"$esc/(${folders%|})([/\"])#\"$new/\1\2#g" \
			-e "s#^(const module = )\"$esc\"#\1\"$new\"#" "$f" >"$f.new"
		cat "$f.new" >"$f"
		rm "$f.new"
	fi
done
echo "the module's path was $old and is $new now; go build ./... tells whether all is well"
