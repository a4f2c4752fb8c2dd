#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that memd sees the limits of its control group and of those above it:
# memory.max, memory.high and pids.max, which `memd --check` names with the
# setting that cures them; `memctl status` warns of memory.high.  The groups are
# files in a mount namespace of their own: memd only reads them.
#
# Needs MEMD_BUILD_DIR, the build to test, and root.

bats_require_minimum_version 1.5.0
load ../disk.sh

setup() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	export memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	export memctl=${MEMCTL_BIN:-$MEMD_BUILD_DIR/client/memctl/memctl}
	[ "$(id -u)" -eq 0 ] || skip "not root"
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p groups/above/unit
	echo '0::/above/unit' >own
	for group in groups groups/above groups/above/unit; do
		for file in memory.max memory.high pids.max; do
			echo max >"$group/$file"
		done
	done
	export MEMCLIENT_ADDRESS=$BATS_TEST_TMPDIR/memd.sock
}

# in_group CMD...: with those groups for its own.
in_group() {
	# shellcheck disable=SC2016 # the inner shell's
	unshare -m sh -c 'mount --make-rprivate / &&
		mount --bind groups /sys/fs/cgroup &&
		mount --bind own /proc/$$/cgroup && exec "$@"' sh "$@"
}

# shellcheck disable=SC2120 # run(1) passes them
memd_here() {
	in_group "$memd" --config=/dev/null --socket="$MEMCLIENT_ADDRESS" \
		--pool-size=256M --swap-dir="$(swap_dir "$PWD")" --swap-size=64M "$@"
}

@test "no limit" {
	run -0 memd_here --check
	[[ $output = *'ok    memory: '* && $output = *'no limit'* ]]
	[[ $output != *memory.high* ]]
}

@test "memory.max and what MemoryMax should be" {
	echo $((300 << 20)) >groups/above/memory.max
	run -0 memd_here --check
	[[ $output = *'warn  memory: '*above/memory.max*'set MemoryMax='* ]]
	echo $((64 << 20)) >groups/above/unit/memory.max
	run -1 memd_here --check
	[[ $output = *'FAIL  memory: '*unit/memory.max* ]]
}

@test "memory.high, of the unit or above it" {
	echo $((64 << 20)) >groups/above/memory.high
	run -0 memd_here --check
	[[ $output = *'warn  memory: above 64.0M '*above/memory.high* ]]
	[[ $output = *'MemoryHigh=infinity'* ]]
}

@test "pids.max" {
	echo 20 >groups/above/unit/pids.max
	run -0 memd_here --check
	[[ $output = *'warn  tasks: '*'limit 20 '*pids.max*'TasksMax='* ]]
	echo 2 >groups/above/pids.max
	run -1 memd_here --check
	[[ $output = *'FAIL  tasks: '*'limit 2 '* ]]
}

@test "status warns of memory.high" {
	echo $((64 << 20)) >groups/above/memory.high
	echo 20 >groups/above/unit/pids.max
	memd_here >log 2>&1 3>&- &
	pid=$!
	until "$memctl" status >status 2>&1; do
		kill -0 "$pid" || { cat log; return 1; }
		sleep 0.1
	done
	kill "$(sed -n 's/.* started .* pid=\([0-9]*\) .*/\1/p' log)"
	wait "$pid"
	cat status
	grep -q 'verdict.*warn' status
	grep -q 'MemoryHigh=infinity' status
	grep -q 'few-tasks .*limit 20 ' log
}
