#!/usr/bin/env bash
# Sees to it that everything is there that the tests use: real broadcast tools, real players, and what the lab builds its
# networks from. Debian as root: installs what is missing. Elsewhere: says what is missing and fails.
set -euo pipefail

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
	chromium gst-launch-1.0 zsh fish desktop-file-validate xdg-mime xdg-open ip nft conntrack pgrep miniupnpd Xvfb pulseaudio pactl
)

if ! command -v dpkg-query >/dev/null; then
	missing=()
	for c in "${commands[@]}"; do
		command -v "$c" >/dev/null || missing+=("$c")
	done
	((${#missing[@]} == 0)) && exit 0
	echo "the tests use real tools, and these are missing: ${missing[*]}" >&2
	echo "install them with your package manager (Debian's names are in tools/deps.sh), or run 'make unit-core'," \
		"which needs none" >&2
	exit 1
fi

missing=()
for p in "${packages[@]}"; do
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) == installed ]] || missing+=("$p")
done
((${#missing[@]} == 0)) && exit 0
if ((EUID != 0)); then
	echo "the tests use real tools, and these packages are missing; as root:" >&2
	echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends "${missing[@]}"
