#!/usr/bin/env bash
# Two releases of this commit, made by clones in different places with different caches, time zones and permissions, have the
# same bytes; lintian has no complaint about the Debian package; the archive's program and the package's run.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v lintian >/dev/null || { echo "lintian is missing: apt-get install lintian" >&2; exit 1; }
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
version=$(git describe --tags --always)

git clone -q . "$dir/a"
make -s -C "$dir/a" release VERSION="$version" >/dev/null
git clone -q . "$dir/another/and longer/b"
(
	umask 077
	export TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 GOCACHE="$dir/cache"
	make -s -C "$dir/another/and longer/b" release VERSION="$version" >/dev/null
)
diff -r "$dir/a/dist" "$dir/another/and longer/b/dist"
(cd "$dir/a/dist" && sha256sum -c SHA256SUMS)

arch=$(dpkg --print-architecture)
for deb in "$dir"/a/dist/*.deb; do lintian --allow-root --fail-on error "$deb"; done
dpkg-deb -x "$dir"/a/dist/*_"$arch".deb "$dir/root"
tar -xzf "$dir"/a/dist/*-linux-"$arch".tar.gz -C "$dir"
for program in "$dir/root/usr/bin/streamer" "$dir"/streamer-*/streamer; do
	[[ $("$program" version) == "streamer $version" ]]
	"$program" version --licenses | cmp - cmd/streamer/licenses.txt
done

# What was unpacked is a node that serves its page.
program=$(echo "$dir"/streamer-*/streamer)
STREAMER_NO_LAN=1 STREAMER_NO_DHT=1 STREAMER_NO_PORTMAP=1 "$program" run --no-open --data-dir "$dir/data" --port 0 --http 127.0.0.1:0 \
	--ready-file "$dir/ready" >/dev/null 2>&1 &
node=$!
for _ in {1..100}; do [[ -e $dir/ready ]] && break || sleep 0.1; done
page=$(sed -E 's/.*"http":"([^"]+)".*/\1/' "$dir/ready")
[[ $(curl -sf "${page}healthz" -o /dev/null -w '%{http_code}') == 200 ]]
"$program" stop --data-dir "$dir/data" --http "$page"
wait "$node"
echo "release-check: the same bytes twice, and they run"
