#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that memctl and memd understand each other: what memctl shows of a
# program that really uses memd's memory agrees with what that program has and
# with itself, what it changes changes, and memd refuses it to strangers.
# Form and errors of the output are memctl_output.bats' business.
#
# Needs MEMD_BUILD_DIR, the build to test.

# bats sets stderr; a file written by one program is read by the next.
# shellcheck disable=SC2094,SC2154

bats_require_minimum_version 1.5.0
load ../disk.sh
load ../waiting.sh

pool_bytes=$((4 << 20))

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	export memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	export memctl=${MEMCTL_BIN:-$MEMD_BUILD_DIR/client/memctl/memctl}
	export bigsort=$MEMD_BUILD_DIR/examples/bigsort
	local name

	for name in "${!MEMD_@}"; do
		case $name in
		MEMD_BUILD_DIR | MEMD_BIN) ;;
		*) unset "$name" ;;
		esac
	done
	# An abstract one, which strangers can reach, too.
	export MEMCLIENT_ADDRESS=@memctl-live-$$-$RANDOM$RANDOM
	cd "$BATS_FILE_TMPDIR" || return
	mkfifo hold
	echo 'a line' >tiny
	start_memd
	start_trace
	start_bigsort
}

start_memd() {
	local status=0 pid

	"$memd" --config=/dev/null --socket="$MEMCLIENT_ADDRESS" \
		--pool-size="$pool_bytes" --swap-size=64M \
		--swap-dir="$(swap_dir "$PWD")" >log 2>&1 3>&- &
	pid=$!
	echo "$pid" >memd.pid
	wait_memd "$pid" log "$memctl" status && return
	status=$?
	rm memd.pid
	[ "$status" -eq 3 ] && skip "the kernel does not let memd run"
	return 1
}

# A trace of everybody.  It has begun when it shows a fault.
start_trace() {
	"$memctl" -o raw trace >trace 2>trace.err 3>&- &
	echo $! >trace.pid
	make_faults_until [ -s trace ]
}

# make_faults_until TEST...: run a program with a few faults until it holds.
make_faults_until() {
	wait_until "a fault to be shown: $*" makes_faults "$@"
}

makes_faults() {
	"$@" && return
	timeout 60 "$bigsort" tiny >/dev/null
	return 1
}

# A program with four times the pool: it sorts lines and is held, with its
# memory, until `hold` is closed: opened for reading and writing, never.
start_bigsort() {
	local pid

	seq 1000000 | rev >text
	"$bigsort" -v -H text <>hold >sorted 2>figures 3>&- &
	pid=$!
	echo "$pid" >bigsort.pid
	wait_while_alive "$pid" 'bigsort to have sorted' \
		grep -q lines= figures || { cat figures >&2; return 1; }
}

# end NAME [SIGNAL]: the process in NAME.pid, and wait until it has gone.
end() {
	local pid

	[ -s "$1.pid" ] || return 0
	pid=$(cat "$1.pid")
	rm "$1.pid"
	kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
	wait_gone "$pid" "$1 to end"
}

teardown_file() {
	cd "$BATS_FILE_TMPDIR" || return
	end bigsort
	end trace
	end memd
	# A broken invariant, or a sanitizer's complaint.
	! grep -E 'broken:|Sanitizer' log trace.err >&2
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	pid=$(cat bigsort.pid 2>/dev/null) || pid=none
}

# ask FILTER COMMAND...: of its JSON what FILTER says.
ask() {
	local filter=$1

	shift
	"$memctl" -o json "$@" | jq -e "$filter"
}

@test "status shows the memd that was started" {
	local verdict=ok code=0
	# It warns where io_uring is forbidden, and of nothing else.
	if ask '.status[0].store_reason // "" | test("^io_uring: ")' status
	then
		verdict=warn code=3
	fi
	ask ".status[0] | .verdict == \"$verdict\" and .pool_bytes == $pool_bytes and
		.swap_bytes == $((64 << 20)) and .pid == $(cat memd.pid) and
		.swap_dir == \"$(swap_dir "$PWD")\" and
		.swap_files_bytes <= .swap_bytes and
		.pages_lost == 0 and .sessions == 1 and .segments >= 1 and
		.pool_free_bytes + .pool_resident_bytes +
		.pool_evicting_bytes + .pool_loading_bytes == .pool_bytes" \
		status
	ask '.status[0] | .metadata_percent > 0 and .faults > 0 and
		.committed_bytes <= .commit_limit_bytes' status
	run -"$code" "$memctl" status --check
	"$memctl" status | grep -q "^verdict   $verdict\$"
}

@test "ps, maps and segments agree about a program" {
	local of_pid=".ps[] | select(.pid == $pid)"
	ask "$of_pid | .command == \"bigsort\" and .uid == $(id -u) and
		.mapped_bytes > 3 * $pool_bytes and .swapped_bytes > 0 and
		.resident_bytes <= $pool_bytes and .faults > 0 and
		.carrier == \"mailbox\"" ps
	"$memctl" ps | grep -q "^ *$pid .* bigsort$"
	ask "$of_pid | .mapped_bytes" ps >by_ps
	ask '[.maps[].length_bytes] | add' maps "$pid" >by_maps
	ask '[.segments[] | select(.name == null) | .length_bytes] | add' \
		segments >by_segments
	cmp by_ps by_maps
	cmp by_ps by_segments
	ask 'all(.maps[]; .mode == "rw-p" and
		.resident_bytes + .swapped_bytes <= .length_bytes and
		.dirty_bytes <= .resident_bytes)' maps "$pid"
	"$memctl" maps "$pid" | tail -n 1 | grep -q '^total '
}

@test "faults by kind, their histogram and stats agree" {
	ask '.faults | map(.kind) ==
		["minor", "zero", "hit", "swap_in", "put_back", "lost"]' faults
	ask '.faults | map(select(.kind == "zero" or .kind == "swap_in")) |
		all(.count > 0 and .p50_ns > 0 and .p50_ns <= .p99_ns and
		.p99_ns <= .p999_ns and .p999_ns <= .max_ns)' faults
	ask '.faults | map({ (.kind): .count }) | add | del(.[] |
		select(. == 0))' faults >by_kind
	ask '.histogram | group_by(.kind) | map({ (.[0].kind):
		(map(.count) | add) }) | add' faults --histogram >by_bucket
	diff <(jq -S . by_kind) <(jq -S . by_bucket)
	[ "$("$memctl" -o raw stats faults_minor | cut -f 2)" -eq \
		"$(ask '.faults[] | select(.kind == "minor").count' faults)" ]
}

@test "iostat finds every counter it is made of" {
	"$memctl" -o raw iostat 0.05 2 >iostat
	[ "$(wc -l <iostat)" -eq 2 ]
	# All but the size of requests, of which there may be none.
	awk -F '\t' 'NF != 9 { exit 1 }
		{ for (i = 1; i <= 9; i++) if (i != 6 && $i == "-") exit 1 }' \
		iostat
}

@test "trace showed the program's faults" {
	end trace INT
	awk -F '\t' -v pid="$pid" 'NF != 12 || $9 < $6 + $7 + $8 || $11 != 0 {
			print; bad = 1
		}
		$2 == pid { kind[$5]++ }
		END { exit bad || !kind["zero"] || !kind["swap_in"] }' trace
	run ! grep -v '^[0-9]* faults shown' trace.err
}

@test "trace of one process does not show others" {
	local one everybody
	"$memctl" -o raw trace "$pid" >one 2>&1 3>&- &
	one=$!
	"$memctl" -o raw trace -n 1 >everybody 2>&1 3>&- &
	everybody=$!
	make_faults_until [ -s everybody ]
	wait_exit "$everybody" 'trace -n 1 to end'
	kill "$one"
	# It may not have come as far as to end in order.
	wait_exit "$one" 'trace to end' || [ "$?" -eq 143 ]
	[ "$(wc -l <everybody)" -eq 1 ]
	[ ! -s one ]
}

@test "evict takes a program's memory out" {
	local of_pid=".ps[] | select(.pid == $pid)"
	"$memctl" evict "$pid"
	ask "$of_pid | .resident_bytes == 0 and .swapped_bytes > 0" ps
	ask '.evict[0].evicted_bytes == 0' evict
	run -7 --separate-stderr "$memctl" evict 1
	[[ $stderr == memctl:*'memctl ps'* ]]
}

@test "limits are set and shown" {
	local of_session=".limit[] | select(.pid == $pid)"
	local of_uid
	of_uid=".limit[] | select(.scope == \"uid\" and .uid == $(id -u))"
	ask "$of_session | .limit_bytes == 0 and .mapped_bytes > 0" limit
	"$memctl" limit set --pid "$pid" --frames 100
	ask "$of_session | .limit_bytes == 409600 and .source == \"memctl\" and
		.limit_mapped_bytes == 0" limit
	"$memctl" limit set --session "$(ask "$of_session | .session" limit)" \
		--mapped 1G
	ask "$of_session | .limit_bytes == 409600 and
		.limit_mapped_bytes == 1073741824" limit
	ask ".ps[] | select(.pid == $pid) | .limit_bytes == 409600" ps
	"$memctl" limit set --uid "$(id -un)" --frames 2M
	ask "$of_uid | .limit_bytes == 2097152" limit
	"$memctl" limit set --uid "$(id -u)" --frames none
	"$memctl" limit set --pid "$pid" --frames 0 --mapped none
	ask "$of_session | .limit_bytes == 0 and .limit_mapped_bytes == 0" limit
	# As the configuration has them: they follow it again.
	ask "$of_session | .source == \"config\"" limit
	"$memctl" limit set --pid "$pid" --frames 2M
	ask "$of_session | .source == \"memctl\"" limit
	"$memctl" limit set --pid "$pid" --default
	ask "$of_session | .limit_bytes == 0 and .source == \"config\"" limit
	run -7 "$memctl" limit set --session 4000000 --frames 1
}

@test "config shows values and where they come from" {
	ask '.config | map({ (.name): . }) | add |
		.pool_size.source == "flag" and
		.log_level.source == "default" and
		.log_level.reloadable and (.pool_size.reloadable | not) and
		all(.[]; .help | length > 0)' config
	[ "$("$memctl" -o raw config pool_size | cut -f 2)" = 4M ] ||
		[ "$("$memctl" -o raw config pool_size | cut -f 2)" = \
			"$pool_bytes" ]
}

@test "what does not exist is not found" {
	local command
	for command in 'maps 1' 'evict 1' 'trace 1' 'trace 2147483647' \
		'trace --save=none 1'; do
		# shellcheck disable=SC2086 # several words
		run -7 --separate-stderr timeout 60 "$memctl" $command
		[[ $stderr == memctl:*'no program with pid '*'memctl ps'* ]]
		[ -z "$output" ]
	done
	[ ! -e none ]
}

@test "strangers may not look at others, nor change anything" {
	local command private
	[ "$(id -u)" -eq 0 ] || skip "needs root, to be somebody else"
	private=$(mktemp -d)
	chmod 755 "$private"
	cp "$memctl" "$private/memctl"
	mkdir -m 777 "$private/coverage"
	# Built for coverage, memctl writes its counts where it may.
	as_stranger() {
		GCOV_PREFIX=$private/coverage setpriv --reuid=65533 \
			--regid=65533 --clear-groups "$private/memctl" "$@"
	}
	for command in status ps segments "maps $pid" stats faults trace \
		"evict $pid" "disconnect $pid" "drop-guest -y 1" limit "limit set --uid 0 --frames 1" config; do
		# shellcheck disable=SC2086 # several words
		run as_stranger $command
		[ "$status" -eq 6 ] || { echo "$command: $output"; break; }
		[ "${#lines[@]}" -eq 1 ]
	done
	[ "$status" -eq 6 ]
	# Whether it answers is everybody's business.
	as_stranger doctor >doctor 2>&1 || true
	rm -r "$private"
	tail -n 1 doctor | grep '^ok    daemon: memd '
}

@test "doctor passes the exit status of memd --check on" {
	local expected
	# Somewhere else than memctl's own folder: by way of PATH.
	run "$memd" --check
	expected=$status
	PATH=$(dirname "$memd"):$PATH run "$memctl" doctor
	echo "$output"
	[ "$status" -eq "$expected" ]
	[[ ${lines[-1]} == "ok    daemon: memd "*" answers at $MEMCLIENT_ADDRESS" ]]
}

@test "the program never noticed" {
	LC_ALL=C sort text | cmp - sorted
	end bigsort
	wait_until 'bigsort to be gone' ask '.ps | all(.command != "bigsort")' ps
	wait_until 'all to be free' ask '.status[0] | .sessions == 0 and .segments == 0 and
		.pool_free_bytes == .pool_bytes and
		.swap_free_bytes == .swap_bytes' status
	ask '.segments == []' segments
}

@test "after memd nobody listens" {
	end memd
	run -5 "$memctl" status
	[[ $output == "memctl: nobody listens at $MEMCLIENT_ADDRESS: start"* ]]
}
