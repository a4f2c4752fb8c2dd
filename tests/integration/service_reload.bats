#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that what the unit does for `systemctl reload memd` (ExecReload=)
# succeeds when memd has taken the new settings over, and else fails and says
# why: when they are refused, when memd cannot be asked, when it is not there.
# Runs without systemd.
#
# Needs MEMD_BUILD_DIR, the build to test.

# bats sets stderr.
# shellcheck disable=SC2154

bats_require_minimum_version 1.5.0
load ../disk.sh
load ../waiting.sh

setup() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	local name status=0

	repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	memctl=${MEMCTL_BIN:-$MEMD_BUILD_DIR/client/memctl/memctl}
	for name in "${!MEMD_@}"; do
		case $name in
		MEMD_BUILD_DIR | MEMD_BIN) ;;
		*) unset "$name" ;;
		esac
	done
	export MEMCLIENT_ADDRESS=@service-reload-$$-$RANDOM$RANDOM
	cd "$BATS_TEST_TMPDIR"
	echo 'message_timeout = 20s' >memd.conf
	"${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}" --config=memd.conf \
		--socket="$MEMCLIENT_ADDRESS" --pool-size=4M --swap-size=4M \
		--swap-dir="$(swap_dir "$PWD")" >log 2>&1 3>&- &
	pid=$!
	wait_memd "$pid" log "$memctl" status && return
	status=$?
	pid=
	[ "$status" -eq 3 ] && skip "the kernel does not let memd run"
	return 1
}

teardown() {
	[ -z "$pid" ] || { kill "$pid" && wait_gone "$pid" 'memd to end'; }
}

# As systemd does: one command after the other, until one fails.
reload() {
	local line commands

	commands=$(sed -n 's/^ExecReload=//p' "$repo/deploy/memd.service")
	[ -n "$commands" ] || return 1
	while read -r line; do
		line=${line//\$MAINPID/$pid}
		line=${line//\/usr\/libexec\/memd/$repo/deploy}
		line=${line//\/usr\/bin\/memctl/$memctl}
		$line || return 1
	done <<<"$commands"
}

holds() {
	[ "$("$memctl" -o raw config message_timeout | cut -f 2)" = "$1" ]
}

@test "a reload that memd takes over succeeds, and says nothing" {
	echo 'message_timeout = 30s' >memd.conf
	run --separate-stderr reload
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	holds 30s
	# With nothing new as well.
	run reload
	[ "$status" -eq 0 ]
}

@test "a reload that memd refuses fails with the reason, each time" {

	echo 'mesage_timeout = 30s' >memd.conf
	for _ in 1 2; do
		run --separate-stderr reload
		[ "$status" -eq 1 ]
		[[ $stderr = *'memd.conf:1: mesage_timeout: no such key'* ]]
		holds 20s
	done
	echo 'message_timeout = 40s' >memd.conf
	run reload
	[ "$status" -eq 0 ]
	holds 40s
}

@test "what --check would fail for does not keep a reload from being tried" {
	# The socket of the memd that runs is in use.
	echo 'message_timeout = 30s' >memd.conf
	echo 'swap_size = 1T' >>memd.conf
	run reload
	[ "$status" -eq 0 ]
	holds 30s
}

@test "a memd that cannot be asked is told to reload, and that is said" {
	local at=$MEMCLIENT_ADDRESS

	echo 'message_timeout = 30s' >memd.conf
	MEMCLIENT_ADDRESS=@service-reload-none-$$ run --separate-stderr reload
	[ "$status" -eq 1 ]
	[[ $stderr = *'could not be asked whether it did'* ]]
	[[ $stderr = *'set MEMCLIENT_ADDRESS'* ]]
	MEMCLIENT_ADDRESS=$at wait_until 'memd to have reloaded' holds 30s
}

@test "a process that is not there fails the reload" {
	local real=$pid

	# Above all numbers that there can be.
	pid=4194305
	run reload
	pid=$real
	[ "$status" -eq 1 ]
	holds 20s
}
