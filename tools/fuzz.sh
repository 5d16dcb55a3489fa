#!/usr/bin/env bash
# Runs every fuzz target of the repository for a time (10m) or a number of inputs (5000x) each, as go test -json:
#   tools/fuzz.sh 10m [DIRECTORY...]
# For a time they run one after the other, each on all cores. A number of inputs takes less than the build and the start, so as many
# targets as there are cores run at once, and all is printed at the end.
set -uo pipefail
time=$1
shift
roots=("$@")
((${#roots[@]})) || roots=(cmd internal)

targets() {
	grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' "${roots[@]}" | sed 's/:func /:/' | sort
}

fuzz() { # FILE:TARGET TIME [FLAG...]
	go test -json -run '^$' -fuzz "^${1##*:}\$" -fuzztime "$2" -fuzzminimizetime 5s "${@:3}" "./$(dirname "${1%:*}")"
}

status=0
if [[ $time != *x ]]; then
	while read -r target; do
		fuzz "$target" "$time" || status=1
	done < <(targets)
	exit "$status"
fi

out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
export -f fuzz
# shellcheck disable=SC2016 # the inner shell expands these
targets | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' bash -c 'fuzz "$1" "$2" -parallel 1 >"$3/${1//\//-}"' fuzz '{}' "$time" "$out" || status=1
cat "$out"/*
exit "$status"
