#!/bin/bash
# SPDX-License-Identifier: MIT
# Does the benchmark work: in small, with every byte checked; is what it writes
# complete?  Says nothing about how fast anything is.
#
# usage: smoke.sh BUILD.  Exit status 77: nothing of it can run here.
set -u

here=$(cd -- "$(dirname -- "$0")" && pwd) || exit 1
# shellcheck source=tests/waiting.sh
. "$here/../waiting.sh"
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
# Every job, done by all who take part in it: timed, and what can be counted
# anywhere counted.
jq -e '([.results[] | select(.on == "inline")] | length) == 25 and
	([.results[] | select(.killed.max == 0) |
	  (.mean_ns, .all_voluntary_switches, .daemon_asleep).median |
	  select(. == null)] | length) == 0' \
	"$out/performance.json" >/dev/null || fail "the JSON is not complete"
for row in 'rand-read 2x, 8 processes  *memd inline' \
	'hash-get 2x  *memd inline' 'loop 2x  *memd inline' \
	'moving 2x  *memd thread' 'scan+zipf 2x  *memd thread' \
	'sort 2x  *memd thread  *both'; do
	grep -q "^$row  *[0-9]" "$out/table" || fail "no row $row"
done

# Two builds, here the same, on all processors and on one.
smoke --cpus both --against "$build" --only minor,hash-put
grep -q '^| minor, 1 CPU | memd thread, other | [0-9]' "$out/performance.md" ||
	fail "the Markdown is not complete"
jq -es 'map(.settings | values | select(.cpus == "one").cpus_used) == [1, 1]' \
	"$out/runs.json" >/dev/null || fail "it took more than one processor"
jq -es 'map(select(.run)) | sort_by(.begin_ns) | length >= 16 and
	all(range(1; length) as $i | .[$i - 1].end_ns <= .[$i].begin_ns; .)' \
	"$out/runs.json" >/dev/null || fail "two ran at the same time"
[ "$(sed '1,/^this build/d' "$out/table" | grep -c ' memd [a-z]*  *[0-9]')" \
	-eq 8 ] || fail "the ratios are not complete"

# Interrupted, it leaves nothing.
"$here/run.sh" --smoke --build "$build" --out "$out" --dir "$out" --cpus both \
	--only seq-read,sort >"$out/table" 2>"$out/log" &
wait_while_alive $! 'a run to end' grep -q '^round' "$out/log" || exit
kill $!
wait_exit $! 'the benchmark to end'
[ $? -eq 143 ] || fail "it did not end: $(cat "$out/log")"
[ -z "$(find "$out" /sys/fs/cgroup -name memd-run-\* -o \
	-name "memd-bench-*.$!")$(grep "$out" /proc/swaps)" ] ||
	fail "it has left something"
echo "ok"
