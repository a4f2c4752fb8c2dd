#!/bin/bash
# SPDX-License-Identifier: MIT
# Makes the files in recorded/ anew: page accesses of real programs, for the
# program `policy`.  recorded.h describes their form.
#
# Each program runs alone in the memory of a memd that lets it have 64 frames
# and reads nothing ahead, so nearly each access to another page is a fault, and
# `memctl trace` shows it.  bigsort is a client of memd.  To all others
# record/recorder.c is preloaded.
#
# Not a test: the accesses differ a little from run to run, and so do the misses
# on them.  When the files have changed, write misses.txt anew:
#
#   build/dev/tests/policy/policy --record tests/policy/misses.txt
#
# Needs the sections [build], [test] and [record] of deploy/packages.txt, and
# full userfaultfd: root, or sysctl vm.unprivileged_userfaultfd=1.
set -euo pipefail

frames=64
gap_max=17		# from page to page: 16 pages between
cd -- "$(dirname -- "$0")/../.."
# shellcheck source=tests/packages.sh
. tests/packages.sh
# shellcheck source=tests/disk.sh
. tests/disk.sh
# shellcheck source=tests/waiting.sh
. tests/waiting.sh
build=$PWD/build/dev
here=$PWD/tests/policy
tools=$here/record
programs=(sort hash-join redis sqlite python)
dir='' memd_pid='' trace_pid='' redis_pid=''

usage() {
	echo "usage: tests/policy/record.sh [NAME...]  (${programs[*]})"
}

fail() {
	printf 'record: %s\n' "$*" >&2
	exit 1
}

end_process() {
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null || return 0
	wait_exit "$1" "process $1 to end" || true
}

cleanup() {
	end_process "$redis_pid"
	end_process "$trace_pid"
	end_process "$memd_pid"
	[ -z "$dir" ] || rm -rf -- "$dir"
}

need_packages() {
	local missing

	missing=$(packages_missing build test record | xargs)
	[ -z "$missing" ] || fail "packages are missing: $missing"
}

build_tools() {
	{ cmake --preset dev &&
	  cmake --build "$build" --target memd memctl example_bigsort \
		policy_recorder policy_hash_join; } >"$dir/build.log" 2>&1 ||
		{ tail -n 30 "$dir/build.log" >&2; fail "it does not build"; }
}

# ---- the programs.  Each says in $about what was recorded.

memctl() {
	"$build/client/memctl/memctl" --socket="$dir/memd.sock" "$@"
}

# recorded COMMAND...: in memd's memory.
recorded() {
	LD_PRELOAD=$build/tests/policy/record/libpolicy_recorder.so \
		MEMCLIENT_ADDRESS=$dir/memd.sock "$@"
}

# Two full stretches and a part, and their merge.
run_sort() {
	awk -v wanted=4400000 -f "$tools/lines.awk" >"$dir/lines"
	"$build/examples/bigsort" -s "$dir/memd.sock" "$dir/lines" \
		>"$dir/output"
	LC_ALL=C sort "$dir/lines" | cmp - "$dir/output"
	about="examples/bigsort, 4.4 MB of lines"
}

run_hash-join() {
	recorded "$build/tests/policy/record/policy_hash_join" >"$dir/output"
	about="record/hash_join.c, 16384 rows in the table, 32768 probes"
}

redis_is_there() {
	redis-cli -s "$dir/redis.sock" PING
}

run_redis() {
	awk -v keys=9000 -v requests=5500 -f "$tools/redis.awk" \
		>"$dir/commands"
	recorded redis-server --port 0 --unixsocket "$dir/redis.sock" \
		--save '' --appendonly no --dir "$dir" >"$dir/output" &
	redis_pid=$!
	wait_while_alive "$redis_pid" 'redis to answer' redis_is_there
	redis-cli -s "$dir/redis.sock" <"$dir/commands" >"$dir/replies"
	wait_exit "$redis_pid" 'redis to end'
	redis_pid=''
	! grep -m 1 ^ERR "$dir/replies" || fail "redis refuses (above)"
	about="$(redis-server --version | cut -d ' ' -f 1-3), 9000 keys, 22 MB"
	about+="; then 5500 requests"
}

run_sqlite() {
	awk -v customers=8000 -v orders=24000 -v requests=500 \
		-f "$tools/sqlite.awk" >"$dir/commands"
	recorded sqlite3 -bail -init /dev/null :memory: ".read $dir/commands" \
		>"$dir/output" 2>&1 ||
		{ tail -n 3 "$dir/output" >&2; fail "sqlite3 ended so"; }
	about="SQLite $(sqlite3 --version | cut -d ' ' -f 1), in memory"
	about+=", 8000 and 24000 rows; then 500 lookups"
}

# Not a wrapper that may come before it in PATH.
run_python() {
	PYTHONHASHSEED=0 recorded /usr/bin/python3 -I "$tools/words.py" \
		>"$dir/output"
	about="$(/usr/bin/python3 --version), record/words.py"
}

# ---- recording

start_memd() {
	: >"$dir/memd.conf"
	"$build/daemon/memd" --config="$dir/memd.conf" \
		--socket="$dir/memd.sock" --pool-size=1M \
		--session-frames="$frames" --readahead=0 --one-sided=no \
		--swap-dir="$(swap_dir "$dir")" --swap-size=1G \
		--trace-events=1048576 \
		>"$dir/memd.log" 2>&1 &
	memd_pid=$!
	wait_memd "$memd_pid" "$dir/memd.log" memctl status
}

start_trace() {
	"$build/client/memctl/memctl" --socket="$dir/memd.sock" -o raw trace \
		>"$dir/trace" 2>"$dir/trace.err" &
	trace_pid=$!
	sleep 1		# until memd knows of it, which nothing shows
}

stop_trace() {
	sleep 2		# memd sends the last events within a second
	kill "$trace_pid"
	wait_exit "$trace_pid" 'memctl to end'
	trace_pid=''
	[ ! -s "$dir/trace.err" ] || fail "$(cat "$dir/trace.err")"
	kill "$memd_pid"
	wait_exit "$memd_pid" 'memd to end'
	memd_pid=''
}

# ---- files

# The trace's accesses, by a number for segment and page.  A page that comes
# twice in a row was put back, or became writable.
accesses() {
	sort -n -k 1,1 "$dir/trace" |
		awk -F '\t' '{ printf "%d\n", $3 * 1048576 + $4 }' | uniq
}

# Which number each page has in the file.
numbers() {
	sort -nu "$dir/accesses" | awk -v gap_max="$gap_max" '
		NR > 1 { gap = $1 - last; at += gap < gap_max ? gap : gap_max }
		{ print $1, at + 0; last = $1 }'
}

write_file() {
	accesses >"$dir/accesses"
	numbers >"$dir/numbers"
	{
		echo "memd-pages 1"
		echo "# SPDX-License-Identifier: MIT"
		echo "# $about"
		echo "# $(wc -l <"$dir/accesses") accesses to" \
			"$(wc -l <"$dir/numbers") pages, seen with $frames" \
			"frames"
		awk 'NR == FNR { number[$1] = $2; next }
			{ print number[$1] }' "$dir/numbers" "$dir/accesses"
	} | gzip -9n >"$1"
	printf '%-10s %6d bytes: ' "$(basename "$1" .txt.gz)" \
		"$(stat -c %s "$1")"
	zcat "$1" | sed -n '3,4s/^# //p' | paste -sd ';'
}

record() {
	local about=''

	start_memd
	start_trace
	"run_$1"
	stop_trace
	mkdir -p "$here/recorded"
	write_file "$here/recorded/$1.txt.gz"
}

main() {
	local name

	case ${1-} in
	-h | --help)	usage; exit 0 ;;
	esac
	[ $# -gt 0 ] || set -- "${programs[@]}"
	for name; do
		[[ " ${programs[*]} " = *" $name "* ]] ||
			{ usage >&2; exit 2; }
	done
	# Settings of another memd.
	for name in "${!MEMD_@}"; do
		unset "$name"
	done
	trap cleanup EXIT
	trap 'exit 130' INT TERM HUP
	dir=$(mktemp -d -- "${TMPDIR:-/var/tmp}/memd-record.XXXXXX")
	need_packages
	build_tools
	for name; do
		record "$name"
	done
}

main "$@"
