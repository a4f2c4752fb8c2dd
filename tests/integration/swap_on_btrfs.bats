#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that memd and `memd --check` warn of what takes the room of a swap file
# on btrfs away: snapshots and reflink copies.  (That it is made without
# copy-on-write is swapdir_test's business.)
#
# Needs MEMD_BUILD_DIR, the build to test; root, and mkfs.btrfs.

bats_require_minimum_version 1.5.0

setup() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	pid=
	[ "$(id -u)" -eq 0 ] || skip "not root"
	command -v mkfs.btrfs >/dev/null || skip "no mkfs.btrfs"
	cd "$BATS_TEST_TMPDIR" || return
	truncate -s 256M image
	mkfs.btrfs -q image
	mkdir disk
	mount -o loop image disk || skip "may not mount"
	settings=(--config=/dev/null "--socket=@btrfs-$$-$RANDOM$RANDOM"
		--pool-size=1M --swap-size=16M --staging-size=1M
		"--swap-dir=$PWD/disk")
}

teardown() {
	[ -z "$pid" ] || { kill "$pid"; wait "$pid" || true; }
	! mountpoint -q "$BATS_TEST_TMPDIR/disk" ||
		umount "$BATS_TEST_TMPDIR/disk"
}

@test "memd warns of snapshots" {
	"$memd" "${settings[@]}" >log 2>&1 3>&- &
	pid=$!
	until grep -q ' started ' log; do
		kill -0 "$pid" || { cat log; return 1; }
		sleep 0.1
	done
	until grep -q 'swap-copied .*snapshot' log; do
		sleep 0.1
	done
}

@test "--check warns of snapshots" {
	run -0 "$memd" --check "${settings[@]}"
	[[ $output = *"warn  swap_dir: after a snapshot of "* ]]
	[ -z "$(ls -A disk)" ]
}
