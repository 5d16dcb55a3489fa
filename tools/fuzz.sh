#!/usr/bin/env bash
# Runs every fuzz target of the repository for a time (10m) or a number of inputs (5000x) each, one after the other, as go
# test -json:
#   tools/fuzz.sh 10m [DIRECTORY...]
set -uo pipefail
time=$1
shift
roots=("$@")
((${#roots[@]})) || roots=(cmd internal)
status=0
while IFS=: read -r file target; do
	go test -json -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5s "./$(dirname "$file")" || status=1
done < <(grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' "${roots[@]}" | sed 's/:func /:/' | sort)
exit "$status"
