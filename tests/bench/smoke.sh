#!/bin/bash
# SPDX-License-Identifier: MIT
# Does the paging benchmark work: in small, with every byte checked; is what it
# writes complete and well-formed?  Says nothing about how fast anything is.
#
# usage: smoke.sh PAGING.  Exit status 77: nothing of it can run here.
set -u

paging=$1
out=$(mktemp -d "${TMPDIR:-/var/tmp}/memd-smoke-XXXXXX") || exit 1
trap 'rm -rf -- "$out"' EXIT
trap 'exit 143' INT TERM HUP

fail() {
	echo "FAILED: $*"
	exit 1
}

"$paging" --smoke --json "$out/json" --markdown "$out/markdown" \
	--chart "$out/svg" >"$out/table"
code=$?
cat "$out/table"
[ "$code" -eq 0 ] || exit "$code"

grep -q '^goals ' "$out/table" || fail "the table has no goals"
[ "$(tail -n 1 "$out/svg")" = '</svg>' ] || fail "the chart has no end"
grep -q '^### Goals' "$out/markdown" || fail "the Markdown has no goals"
if command -v jq >/dev/null; then
	# Every job, done by all who take part in it, and every goal judged.
	jq -e '.version == 2 and (.results | length) > 0 and
		([.results[] | select(.on == "inline")] | length) == 19 and
		([.results[] | select(.mean_ns.median == null)] | length) == 0
		and (.goals | length) > 0 and (.idle | length) == 2' \
		"$out/json" >/dev/null || fail "the JSON is not as it should be"
else
	echo "jq is not installed: the JSON was not looked at"
fi
echo "ok"
