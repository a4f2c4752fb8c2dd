#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that a memd whose listening address, or its name, is not there when it
# starts serves its own host, says what it waits for, and listens there as soon
# as the address comes: as at boot. `memd --check` says the same beforehand.
#
# Needs MEMD_BUILD_DIR, the build to test, and root.

bats_require_minimum_version 1.5.0

load ../disk.sh
load netns.sh

setup() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	local name

	for name in "${!MEMD_@}"; do
		[ "$name" = MEMD_BUILD_DIR ] || unset "$name"
	done
	memd=$MEMD_BUILD_DIR/daemon/memd
	memctl=$MEMD_BUILD_DIR/client/memctl/memctl
	memd_pid=
	cd "$BATS_TEST_TMPDIR" || return
	export MEMCLIENT_ADDRESS=$BATS_TEST_TMPDIR/memd.sock
	netns_make a b >reason || skip "$(cat reason)"
	settings=(--config=/dev/null "--socket=$MEMCLIENT_ADDRESS" --pool-size=4M
		"--swap-dir=$(swap_dir "$PWD")" --swap-size=16M --insecure-tcp=yes)
}

teardown() {
	[ -z "$memd_pid" ] || { kill "$memd_pid"; wait "$memd_pid" || true; }
	netns_remove
}

start_memd() {
	local status=0

	(netns_exec b "$memd" "${settings[@]}" "$@" >log 2>&1 3>&-) &
	memd_pid=$!
	until "$memctl" status >/dev/null 2>&1; do
		if ! kill -0 "$memd_pid" 2>/dev/null; then
			wait "$memd_pid" || status=$?
			memd_pid=
			cat log >&2
			[ "$status" -eq 3 ] &&
				skip 'the kernel does not let memd run'
			return 1
		fi
		sleep 0.1
	done
}

await() {
	until "$@" >/dev/null 2>&1; do
		kill -0 "$memd_pid"
		sleep 0.1
	done
}

@test "the address comes later" {
	run netns_in b "$memd" --check "${settings[@]}" \
		--listen-tcp=10.77.1.9:7433
	[[ $output = *'warn  other hosts: listen_tcp: 10.77.1.9:7433: '* ]]
	[ "$status" -eq 0 ]
	start_memd --listen-tcp=10.77.1.9:7433
	run "$memctl" status
	[[ $output = *degraded* && $output = *10.77.1.9:7433*'tries again'* ]]
	netns_in b ip addr add 10.77.1.9/24 dev cable
	await grep 'listening-tcp address=10.77.1.9 port=7433' log
	run "$memctl" status
	[[ $output = *tcp://10.77.1.9:7433* && $output != *'tries again'* ]]
	[ "$(grep -c listen-tcp-waits log)" -eq 1 ]
}

@test "the name is not known" {
	start_memd --listen-tcp=late.invalid:7433
	await grep listen-tcp-waits log
	run "$memctl" status
	[[ $output = *degraded* && $output = *late.invalid*'tries again'* ]]
}

@test "another program has the port" {
	(netns_exec b "$memd" "${settings[@]}" --socket="@first-$$-$RANDOM" \
		--listen-tcp=10.77.0.2:7433 >first.log 2>&1 3>&-) &
	memd_pid=$!
	await grep listening-tcp first.log
	run -1 netns_in b "$memd" "${settings[@]}" --listen-tcp=10.77.0.2:7433
	[[ $output = *'choose another port'* ]]
	run -1 netns_in b "$memd" --check "${settings[@]}" \
		--listen-tcp=10.77.0.2:7433
	[[ $output = *'FAIL  other hosts: '*'choose another port'* ]]
}
