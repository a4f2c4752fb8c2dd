# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Waits that end.  Sourced by deploy/quickstart.sh, run.sh and the bats files.
#
#   wait_until WHAT COMMAND...      until COMMAND succeeds
#   wait_while_alive PID WHAT COMMAND...
#                                   the same; status 2 once process PID is gone
#   wait_gone PID WHAT              until process PID is gone
#   wait_exit PID WHAT              the same for a child: its exit status
#   wait_memd PID LOG MEMCTL...     until the memd that is our child PID answers
#                                   a command of memctl; else says why, shows
#                                   LOG, and memd has ended
#
# WHAT is what is waited for: "memd to answer".  After wait_seconds of waiting
# in vain they say so on stderr, with the last words of COMMAND, and return 1;
# what waits for an end kills PID then.  The limit only ends what would hang: it
# is far longer than anything takes.

wait_seconds=120

# wait_in_vain WHAT [WORDS]
wait_in_vain() {
	printf 'waited %d s in vain for %s%s\n' "$wait_seconds" "$1" \
		"${2:+; it says: $2}" >&2
}

wait_until() {
	wait_while_alive $$ "$@"
}

wait_while_alive() {
	local pid=$1 what=$2 end=$((SECONDS + wait_seconds)) said

	shift 2
	until said=$("$@" 2>&1); do
		kill -0 "$pid" 2>/dev/null || return 2
		if [ "$SECONDS" -ge "$end" ]; then
			wait_in_vain "$what" "$said"
			return 1
		fi
		sleep 0.05
	done
}

wait_gone() {
	local pid=$1 what=$2 end=$((SECONDS + wait_seconds))

	while kill -0 "$pid" 2>/dev/null; do
		if [ "$SECONDS" -ge "$end" ]; then
			wait_in_vain "$what"
			kill -KILL "$pid" 2>/dev/null || true
			return 1
		fi
		sleep 0.05
	done
}

wait_exit() {
	local in_vain=0 status=0

	wait_gone "$1" "$2" || in_vain=1
	wait "$1" 2>/dev/null || status=$?
	[ "$in_vain" -eq 0 ] || return 1
	return "$status"
}

# Status 5 of memctl: memd is not there, or not yet.
wait_is_answered() {
	local status=0

	"$@" || status=$?
	[ "$status" -ne 5 ]
}

# Returns memd's exit status, 3 where the kernel does not let it run, else 1.
wait_memd() {
	local pid=$1 log=$2 status=0 said

	shift 2
	wait_while_alive "$pid" 'memd to answer' wait_is_answered "$@" ||
		status=$?
	if [ "$status" -eq 0 ]; then
		said=$("$@" 2>&1) && return
		echo "memd is there and refuses: $said" >&2
		status=1
	fi
	if [ "$status" -eq 1 ]; then
		kill "$pid" 2>/dev/null || true
		wait_exit "$pid" 'memd to end' || true
	else
		status=0
		wait "$pid" || status=$?
		echo "memd ended with status $status" >&2
		[ "$status" -ne 0 ] || status=1
	fi
	echo "what memd said:" >&2
	sed 's/^/    /' "$log" >&2
	return "$status"
}
