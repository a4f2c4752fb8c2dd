#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that `memd --check` warns where programs can share the blocks of swap
# files that they read, and only there: on an XFS with reflinks that they may
# write to.
#
# Needs MEMD_BUILD_DIR, the build to test; root, and mkfs.xfs.

bats_require_minimum_version 1.5.0

setup() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	[ "$(id -u)" -eq 0 ] || skip "not root"
	command -v mkfs.xfs >/dev/null || skip "no mkfs.xfs"
	cd "$BATS_TEST_TMPDIR" || return
	truncate -s 512M image
	mkdir disk
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/disk" ||
		umount "$BATS_TEST_TMPDIR/disk"
}

# make_disk REFLINK
make_disk() {
	mkfs.xfs -q -m "reflink=$1" image
	mount -o loop image disk || skip "may not mount"
	mkdir disk/folder
}

# check FOLDER [SETTING...]
check() {
	run -0 "$memd" --check --config=/dev/null \
		"--socket=@xfs-$$-$RANDOM$RANDOM" --pool-size=1M \
		--swap-size=16M --staging-size=1M "--swap-dir=$PWD/$1" "${@:2}"
	[[ $output = *"ok    swap_dir: $PWD/$1 can be used"* ]]
	[[ $output != *snapshot* ]]
}

is_warned() {
	[[ $output = *"warn  swap_dir: "*FICLONE* ]]
}

is_not_warned() {
	[[ $output != *FICLONE* ]]
}

@test "a folder beside others" {
	make_disk 1
	check disk/folder
	is_warned
	check disk/folder --one-sided=no
	is_not_warned
}

@test "a file system of its own" {
	make_disk 1
	check disk
	is_not_warned
	chmod 1777 disk
	check disk
	is_warned
}

@test "a file system of its own that is mounted twice" {
	make_disk 1
	mkdir again
	mount --bind disk/folder again
	check disk
	umount again
	is_warned
}

@test "no reflinks" {
	make_disk 0
	check disk/folder
	is_not_warned
}
