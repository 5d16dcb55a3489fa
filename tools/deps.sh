#!/usr/bin/env bash
# Sees to it that everything is there that the tests use: real broadcast tools, real players, and what the lab builds its
# networks from. Debian as root: installs what is missing. Elsewhere: says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
	# the race detector, and downloads of modules
	gcc libc6-dev ca-certificates
	# broadcast tools
	ffmpeg liquidsoap ices2 ezstream darkice butt curl
	# encoders and analysers
	lame flac vorbis-tools opus-tools
	# players
	mpv mpg123 mplayer vlc-bin vlc-plugin-base chromium
	gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
	gstreamer1.0-plugins-bad gstreamer1.0-libav
	# a desktop's bus, and what talks to it
	dbus-daemon libglib2.0-bin
	# shells that complete command lines
	bash zsh fish
	# what checks that the page is accessible
	npm
	# a reader of QR codes
	zbar-tools
	# the desktop's own tools, the browser's clicks, and systemd-analyze
	desktop-file-utils xdg-utils xdotool systemd
	# the lab: a router that maps ports
	miniupnpd miniupnpd-nftables
	# the lab: namespaces, firewalls, a display and a sound card that are not there
	iproute2 nftables conntrack procps xvfb xauth pulseaudio pulseaudio-utils libasound2-plugins
)
# What to look for where there is no dpkg: a command of each package that has one.
commands=(
	cc ffmpeg dbus-daemon gdbus gio zbarimg liquidsoap ices2 ezstream darkice butt curl lame flac oggenc opusenc mpv mpg123 mplayer cvlc
	chromium gst-launch-1.0 zsh fish desktop-file-validate xdg-mime xdg-open ip nft conntrack pgrep miniupnpd Xvfb pulseaudio pactl npm
)

# axe-core, for tests of the page; nothing of it is in the program. The lock file says which, and its hash.
fetch_axe() {
	cmp -s lab/page/testdata/package-lock.json .cache/page/node_modules/.fetched && return
	mkdir -p .cache/page
	cp lab/page/testdata/package.json lab/page/testdata/package-lock.json .cache/page/
	npm ci --prefix .cache/page --ignore-scripts --no-audit --no-fund
	cp lab/page/testdata/package-lock.json .cache/page/node_modules/.fetched
}

if ! command -v dpkg-query >/dev/null; then
	missing=()
	for c in "${commands[@]}"; do
		command -v "$c" >/dev/null || missing+=("$c")
	done
	if ((${#missing[@]} == 0)); then
		fetch_axe
		exit
	fi
	echo "the tests use real tools, and these are missing: ${missing[*]}" >&2
	echo "install them with your package manager (Debian's names are in tools/deps.sh), or run 'make unit-core'," \
		"which needs none" >&2
	exit 1
fi

missing=()
for p in "${packages[@]}"; do
	[[ $p == npm ]] && command -v npm >/dev/null && continue # Node's own, which brings it along
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) == installed ]] || missing+=("$p")
done
if ((${#missing[@]} == 0)); then
	fetch_axe
	exit
fi
if ((EUID != 0)); then
	echo "the tests use real tools, and these packages are missing; as root:" >&2
	echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends "${missing[@]}"
fetch_axe
