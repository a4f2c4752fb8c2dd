#!/bin/bash
# SPDX-License-Identifier: MIT
# Proves that programs with a libmemclient of the past get the right bytes from
# this memd, in private memory and in a segment that they share with programs of
# today, in both fault modes; that they go on, in new memory, when their own
# memd is replaced by this one while they run; and that a program of today gets
# the right bytes from a memd of the past.
#
# Each age is found in git's history, as the last commit before some file came.
# It is built with this test's program, which is linked statically.
#
# usage: older_libraries.sh BUILD.  Exit status 77: there is no such history.
set -u

here=$(cd -- "$(dirname -- "$0")" && pwd) || exit 1
root=$here/../..
# shellcheck source=tests/waiting.sh
. "$here/../waiting.sh"
# shellcheck source=tests/disk.sh
. "$here/../disk.sh"
build=${1:?the build folder to test}
compiler=${CC:-cc}

# ---- ages: NAME FILE MODES.  Programs of that age bring pages in without memd
# in these fault modes.

ages() {
	cat <<-END
	none	client/fault/onesided.c		-
	inline	client/fault/own_faults.c	inline
	END
}

skip() {
	echo "skip: $*"
	exit 77
}

fail() {
	echo "FAILED: $*"
	exit 1
}

in_git() {
	git -c safe.directory='*' -C "$root" "$@"
}

# before FILE: prints the last commit before FILE came.
before() {
	local added

	added=$(in_git log --diff-filter=A --format=%H -- "$1" 2>/dev/null |
		tail -n 1)
	[ -n "$added" ] && in_git rev-parse --verify --quiet "$added^{}^"
}

# build_age NAME COMMIT: its memd, and this test's program with its library, in
# the folder NAME.  -w: a compiler of today may know more warnings.
build_age() {
	local name=$1

	mkdir "$name" && in_git archive "$2" | tar -x -C "$name" || return
	{
		cmake -S "$name" -B "$name/build" -G Ninja -DMEMD_TESTS=OFF \
			-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_FLAGS=-w &&
		ninja -C "$name/build" memd memclient_static &&
		"$compiler" -D_GNU_SOURCE -O2 -o "$name/program" \
			-I "$name/client/include" "$here/older_program.c" \
			"$name/build/client/libmemclient.a" \
			-lprotobuf-c -lpthread -ldl
	} >"$name.log" 2>&1 </dev/null || {
		tail -n 40 "$name.log"
		return 1
	}
}

# ---- memd

# start_memd PROGRAM: at MEMCLIENT_ADDRESS.  Sets memd_pid.
start_memd() {
	local status=0

	"$1" --config=/dev/null "--socket=$MEMCLIENT_ADDRESS" \
		--pool-size=4M --swap-size=80M --staging-size=1M \
		"--swap-dir=$(swap_dir "$scratch")" >>memd.log 2>&1 &
	memd_pid=$!
	wait_memd "$memd_pid" memd.log "$memctl" status || status=$?
	[ "$status" -ne 3 ] || skip "the kernel does not let memd run"
	[ "$status" -eq 0 ] || fail "$1 does not start"
}

end_memd() {
	kill "$memd_pid"
	wait_exit "$memd_pid" 'memd to end' || fail "memd: $(tail memd.log)"
	! grep -E 'broken:|Sanitizer' memd.log || fail "memd has said so"
}

counter() {
	"$memctl" -o raw stats "$1" | awk -F '\t' '{ print $2 }'
}

is_zero() {
	local value

	value=$(counter "$1")
	[ "$value" = 0 ] || { echo "$1 is $value"; return 1; }
}

# All that programs had is back, and nothing of it was wrong.
expect_nothing_left() {
	local name

	for name in committed_units lent_frames; do
		wait_until "$name to be 0" is_zero "$name" || exit 1
	done
	for name in checksum_errors segments_spoiled pages_lost; do
		is_zero "$name" || fail "$name must be 0"
	done
}

# ---- programs

# run NAME ARGUMENT...: the program of that age, in the background.  Sets pid.
run() {
	"$1/program" "$MEMCLIENT_ADDRESS" "${@:2}" <&0 &
	pid=$!
}

expect_good() {
	wait_exit "$1" "$2" || fail "$2: the program has failed"
}

# expect_one_sided BEFORE WHETHER: faults without memd since then.
expect_one_sided() {
	local count=$(($(counter faults_one_sided) - $1))

	echo "    $count faults without memd"
	case $2 in
	yes)	[ "$count" -gt 0 ] || fail "no fault went without memd" ;;
	no)	[ "$count" -eq 0 ] || fail "faults went without memd" ;;
	esac
}

# has NAME MODE: does that age know faults without memd in that mode?
has() {
	[[ ,${knows[$1]}, == *",$2,"* ]] && echo yes || echo no
}

private_memory() {
	local before

	before=$(counter faults_one_sided)
	echo "  $1: private memory, $2"
	run "$1" "$2" private
	expect_good "$pid" "$1, private, $2"
	expect_one_sided "$before" "$(has "$1" "$2")"
	expect_nothing_left
}

# Both work at once, and then each reads what both have left.
shared_memory() {
	local before first name

	before=$(counter faults_one_sided)
	echo "  $1: a segment shared with a program of today, $2"
	run "$1" "$2" make shared
	expect_good "$pid" "$1, make, $2"
	run "$1" "$2" first shared
	first=$pid
	run today "$2" second shared
	expect_good "$pid" "today, second, $2"
	expect_good "$first" "$1, first, $2"
	expect_one_sided "$before" yes
	for name in today "$1"; do
		run "$name" "$2" check shared
		expect_good "$pid" "$name, check, $2"
	done
	"$memctl" unlink shared >unlinked || fail "the segment cannot be unlinked"
	expect_nothing_left
}

# It has its memory from a memd of its age, and then from this one.
outlive_memd() {
	echo "  $1: this memd comes in place of its own, $2"
	start_memd "$1/build/daemon/memd"
	mkfifo line
	exec 8<>line
	run "$1" "$2" outlive >said <line 8>&-
	wait_while_alive "$pid" 'the program to be ready' \
		grep -q ready said || fail "the program has ended"
	end_memd
	start_memd "$memd"
	echo >&8
	exec 8>&-
	expect_good "$pid" "$1, outlive, $2"
	expect_nothing_left
	end_memd
	rm line
}

memd_of_then() {
	echo "  today: private memory of a memd of the age $1, $2"
	start_memd "$1/build/daemon/memd"
	run today "$2" private
	expect_good "$pid" "today, with memd of $1, $2"
	end_memd
}

try_age() {
	local mode

	start_memd "$memd"
	for mode in thread inline; do
		private_memory "$1" "$mode"
		shared_memory "$1" "$mode"
	done
	end_memd
	for mode in thread inline; do
		outlive_memd "$1" "$mode"
		memd_of_then "$1" "$mode"
	done
}

cleanup() {
	local pid

	for pid in $(jobs -p); do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	cd / && rm -rf -- "$scratch"
}

# As if nobody had set anything for memd or the library.
forget_settings() {
	local name

	for name in "${!MEMD_@}" "${!MEMCLIENT_@}"; do
		case $name in
		MEMD_BIN | MEMD_TEST_*)	;;
		*)	unset "$name" ;;
		esac
	done
}

forget_settings
memd=${MEMD_BIN:-$build/daemon/memd}
memctl=$build/client/memctl/memctl
for name in git cmake ninja "$compiler"; do
	command -v "$name" >/dev/null || skip "there is no $name"
done
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/memd-older-XXXXXX") || exit 1
trap cleanup EXIT
trap 'exit 143' INT TERM HUP
cd -- "$scratch" || exit 1
export MEMCLIENT_ADDRESS=$scratch/memd.sock

# All are built first: what is missing shows before anything has run.
declare -A knows=([today]=',thread,inline,')
names=()
while read -r name file modes; do
	commit=$(before "$file") ||
		skip "git's history does not show what was before $file" \
			"(a shallow clone, or no clone)"
	echo "age $name: $(in_git log -1 --format='%h, %s' "$commit")"
	build_age "$name" "$commit" || fail "the age $name cannot be built"
	knows[$name]=,$modes,
	names+=("$name")
done < <(ages)
mkdir today
cp "$build/tests/integration/older_program" today/program ||
	fail "this test's program is not built"
echo "built in $SECONDS s"
for name in "${names[@]}"; do
	echo "age $name:"
	try_age "$name"
done
echo "ok, $SECONDS s"
