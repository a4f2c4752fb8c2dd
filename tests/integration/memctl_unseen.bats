#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that clients whose processes memd does not see, as it is in a pid
# namespace of its own and all their pids are 0, can be told from each other and
# are addressed one by one: by their sessions.
#
# Needs MEMD_BUILD_DIR, the build to test.

# bats sets stderr.
# shellcheck disable=SC2154

bats_require_minimum_version 1.5.0
load ../disk.sh

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
	export MEMCLIENT_ADDRESS=@memctl-unseen-$$-$RANDOM$RANDOM
	cd "$BATS_FILE_TMPDIR" || return
	unshare --pid --fork --mount-proc true 2>/dev/null ||
		skip "needs root, and a kernel with pid namespaces"
	mkfifo hold
	start_memd
	seq 300000 >text
	start_bigsort one
	start_bigsort two
}

start_memd() {
	local status=0 pid

	unshare --pid --fork --kill-child --mount-proc "$memd" \
		--config=/dev/null --socket="$MEMCLIENT_ADDRESS" --pool-size=8M \
		--swap-dir="$(swap_dir "$PWD")" --swap-size=128M \
		>log 2>&1 3>&- &
	pid=$!
	until "$memctl" status >/dev/null 2>&1; do
		if ! kill -0 "$pid" 2>/dev/null; then
			wait "$pid" || status=$?
			cat log >&2
			[ "$status" -eq 3 ] &&
				skip "the kernel does not let memd run"
			return 1
		fi
		sleep 0.1
	done
	# unshare itself does not hear signals.
	cat "/proc/$pid/task/$pid/children" >memd.pid
}

# A program that holds its memory until `hold` is closed, which is never.
start_bigsort() {
	local pid

	"$bigsort" -v -H text <>hold >"$1.sorted" 2>"$1.figures" 3>&- &
	pid=$!
	echo "$pid" >"$1.pid"
	until grep -q lines= "$1.figures"; do
		kill -0 "$pid" || { cat "$1.figures" >&2; return 1; }
		sleep 0.1
	done
	ask '[.ps[].session] | max' ps >"$1.session"
}

end() {
	local pid

	[ -s "$1.pid" ] || return 0
	pid=$(cat "$1.pid")
	rm "$1.pid"
	kill "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.05
	done
}

teardown_file() {
	cd "$BATS_FILE_TMPDIR" || return
	end one
	end two
	end memd
	# A broken invariant, or a sanitizer's complaint.
	! grep -E 'broken:|Sanitizer' log >&2
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	one=$(cat one.session 2>/dev/null) || one=none
	two=$(cat two.session 2>/dev/null) || two=none
}

# ask FILTER COMMAND...: of its JSON what FILTER says.
ask() {
	local filter=$1

	shift
	"$memctl" -o json "$@" | jq -e "$filter"
}

@test "ps shows sessions where there is no process to show" {
	[ "$one" -ne "$two" ]
	ask '.ps | length == 2 and all(.[]; .pid == null)' ps
	"$memctl" ps | grep "^ *s$one root .* bigsort$"
	"$memctl" ps | grep "^ *s$two root .* bigsort$"
	"$memctl" limit | grep "^session  *s$one  *- root"
	grep "session-open session=$one pid=0" log
}

@test "maps, evict and limit mean the one that is named" {
	local of_one=".ps[] | select(.session == $one)"
	local of_two=".ps[] | select(.session == $two)" before
	ask "$of_one | .mapped_bytes" ps >by_ps
	ask '[.maps[].length_bytes] | add' maps "s$one" >by_maps
	cmp by_ps by_maps
	before=$(ask "$of_two | .resident_bytes" ps)
	[ "$before" -gt 0 ]
	"$memctl" evict "s$one"
	ask "$of_one | .resident_bytes == 0 and .swapped_bytes > 0" ps
	ask "$of_two | .resident_bytes == $before" ps
	grep "evict by_uid=0 pid=0 session=$one" log
	"$memctl" limit set --pid "s$two" --frames 100
	ask "$of_two | .limit_bytes == 409600" ps
	ask "$of_one | .limit_bytes == 0" ps
	"$memctl" limit set --session "s$two" --frames none
	ask "$of_two | .limit_bytes == 0" ps
}

@test "trace shows the faults of the one that is named" {
	local pid new=$((two + 1))
	"$memctl" -o raw trace >everybody 2>&1 3>&- &
	pid=$!
	"$memctl" -o raw trace "s$one" >of_one 2>&1 3>&- &
	echo $! >of_one.pid
	until grep -q . everybody; do
		"$bigsort" text >/dev/null
	done
	end of_one
	kill "$pid"
	wait "$pid" || [ "$?" -eq 143 ]
	# Nobody but those that came meanwhile has had faults.
	[ ! -s of_one ] || run ! grep -v '^0 faults shown' of_one
	awk -F '\t' -v new="$new" '$2 != "-" || $12 < new { print; bad = 1 }
		END { exit bad }' <(head -n -1 everybody)
}

@test "a session that is not there is not found" {
	local command
	for command in maps evict trace 'limit set --frames 1 --pid'; do
		# shellcheck disable=SC2086 # several words
		run -7 --separate-stderr timeout 60 "$memctl" $command s4000000
		[[ $stderr == memctl:*'session'*'memctl ps'* ]]
	done
}
