#!/bin/bash
# SPDX-License-Identifier: MIT
# Does the benchmark work: in small, with every byte checked; is what it writes
# complete?  Says nothing about how fast anything is.
#
# usage: smoke.sh BUILD.  Exit status 77: nothing of it can run here.
set -u

here=$(cd -- "$(dirname -- "$0")" && pwd) || exit 1
command -v jq >/dev/null || { echo "skip: jq is not installed"; exit 77; }
out=$(mktemp -d "${TMPDIR:-/var/tmp}/memd-smoke-XXXXXX") || exit 1
trap 'rm -rf -- "$out"' EXIT
trap 'exit 143' INT TERM HUP

fail() {
	echo "FAILED: $*"
	exit 1
}

# smoke OPTION...
smoke() {
	"$here/run.sh" --smoke --build "$build" --out "$out" "$@" >"$out/table"
	code=$?
	cat "$out/table"
	[ "$code" -eq 0 ] || exit "$code"
}

build=$1
smoke
# Every job, done by all who take part in it.
jq -e '([.results[] | select(.on == "inline")] | length) == 19 and
	([.results[] | select(.mean_ns.median == null)] | length) == 0' \
	"$out/performance.json" >/dev/null || fail "the JSON is not complete"
grep -q '^rand-read 2x, 8 processes  *memd inline ' "$out/table" ||
	fail "the table is not complete"
smoke --one-cpu --markdown --only minor
grep -q '^| minor | memd thread | [0-9]' "$out/table" ||
	fail "the Markdown is not complete"
jq -e '.settings.cpus_used == 1' "$out/performance.json" >/dev/null ||
	fail "it took more than one processor"
echo "ok"
