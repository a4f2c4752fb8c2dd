#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that tests/run.sh counts what ctest says, in each of its tiers asks for
# what it says it does, and never complains of its own files: a log or ctest's
# notes may not be there yet, or not any more.
#
# In a tree of its own, with scripts in place of cmake, ctest and the programs.

bats_require_minimum_version 1.5.0

setup() {
	repo=$BATS_TEST_DIRNAME/../..
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p tests/fuzz deploy build/dev/tests/sim bin
	cp "$repo"/tests/{run,packages,waiting}.sh tests
	# How far a step has come is said all the time.
	sed -i 's/sleep 30 /sleep 0.1 /' tests/run.sh
	touch tests/fuzz/fuzz_it.c
	write_script bin/cmake 'sleep 0.3'
	write_script bin/ctest 'echo "$MEMD_TEST_TIER $MEMD_TEST_SEED $*" >>asked
		. ./ctest_does'
	write_script tests/lint.sh 'echo "lint $*" >>asked'
	write_script deploy/quickstart.sh 'echo quickstart >>asked'
	write_script build/dev/tests/without_uring 'echo without_uring >>asked
		exec "$@"'
	write_script build/dev/tests/sim/pager_sim 'echo "pager_sim $*" >>asked'
	mkdir -p build/fuzz/tests/fuzz
	write_script build/fuzz/tests/fuzz/fuzz_it 'echo "fuzz_it $*" >>asked'
	echo 'say_passed one' >ctest_does
	cat >>bin/ctest.bash <<-'END'
		say_passed() {
			echo "1/9 Test  #1: $1 ......   Passed    0.02 sec"
		}
	END
	sed -i '2i. ./bin/ctest.bash' bin/ctest
}

write_script() {
	printf '#!/bin/bash\n%s\n' "$2" >"$1"
	chmod 755 "$1"
}

# runs STATUS OPTION...: tests/run.sh, which has nothing to complain of.
runs() {
	local code=$1

	shift
	run env PATH="$PWD/bin:$PATH" TMPDIR="$PWD" MEMD_POOL_SIZE=none \
		timeout -k 5 200 tests/run.sh --no-install "$@" 3>&-
	echo "$output"
	[ "$status" -eq "$code" ]
	! grep -E 'No such file|cannot open|^(awk|grep|cat|tail|sed|mawk): |line [0-9]+: ' <<<"$output"
}

# asked PATTERN...: these and no others, in this order.
asked() {
	local line=0 pattern

	cat asked
	for pattern in "$@"; do
		line=$((line + 1))
		sed -n "${line}p" asked | grep -E -- "$pattern"
	done
	[ "$(wc -l <asked)" -eq "$line" ]
}

@test "what passed, failed and was skipped is counted" {
	cat >ctest_does <<-'END'
		say_passed one
		echo "2/9 Test #2: two ......***Failed  Error regular expression"
		echo "3/9 Test #3: three ...***Skipped   0.00 sec"
		echo "4/9 Test #4: four ....***Timeout   9.00 sec"
		mkdir -p build/dev/Testing/Temporary
		printf '%s\n' '1/4 Testing: one' 'Output:' ---- 'skip: no moon' \
			'[  SKIPPED ] by_night' '<end of output>' \
			'3/4 Testing: three' 'Output:' ---- \
			'skip: not allowed here' '<end of output>' \
			>build/dev/Testing/Temporary/LastTest.log
		exit 8
	END
	runs 1 --quick
	# The build, test one, the lint, nothing left.
	[ "${lines[-1]}" = '4 passed, 2 failed' ]
	grep -x '  dev/three: not allowed here' <<<"$output"
	grep -x '  dev/one, by_night: no moon' <<<"$output"
	grep -x '  dev/two' <<<"$output"
	grep 'FAILED .*; tier quick, seed 1$' <<<"$output"
}

@test "quick is the build dev, its tests but for the slow, and the structure" {
	runs 0 --quick
	asked '^quick 1 .*build/dev .*-LE \^\(no-dev\|bench\|slow\)' \
		'^lint structure$'
	[ "${lines[-1]}" = '4 passed, 0 failed' ]
}

@test "without an option all flavours, the linters and some fuzzing are run" {
	runs 0 --seed 7
	asked '^run 7 .*build/dev ' '^lint structure$' '^lint shellcheck$' \
		'^lint man$' '^lint cppcheck$' '^lint clang-tidy$' \
		'^fuzz_it -seed=7 ' '^run 7 .*build/asan ' '^run 7 .*build/tsan '
}

@test "at night the tests are run once more without io_uring" {
	runs 0 --night
	asked '^night 2[0-9]{7} .*build/dev ' lint lint lint lint lint \
		'^fuzz_it .*-runs=5000000 ' '^night .*build/asan ' \
		'^night .*build/tsan ' '^without_uring$' \
		'^night .*build/dev ' '^pager_sim --long$' '^quickstart$'
	asked=$(sed -n 's/^night \([0-9]*\) .*/\1/p' asked | sort -u)
	[ "$(wc -l <<<"$asked")" -eq 1 ]
}

@test "io_uring can be forbidden to all tests" {
	runs 0 --without-uring --quick
	asked '^without_uring$' '^quick 1 .*build/dev ' '^lint structure$'
}

@test "logs and notes that are not there are nothing to complain of" {
	echo 'say_passed one; sleep 0.5; rm -r build/logs; sleep 0.5' >ctest_does
	write_script bin/cmake 'rm -rf build/logs; sleep 0.5'
	write_script tests/lint.sh 'rm -rf build/logs; sleep 0.5; exit 77'
	runs 1 --quick
	# Its results are gone, and it says so.
	grep -x '  dev: no tests' <<<"$output"
	[ "${lines[-1]}" = '2 passed, 1 failed' ]
}

@test "what a ctest that was killed has noted is read" {
	cat >ctest_does <<-'END'
		say_passed one
		echo "3/9 Test #3: three ...***Skipped   0.00 sec"
		mkdir -p build/dev/Testing/Temporary
		printf '%s\n' '3/4 Testing: three' 'Output:' ---- \
			'skip: not allowed here' '<end of output>' \
			>build/dev/Testing/Temporary/LastTest.log.tmp
		kill -KILL $$
	END
	runs 1 --quick
	grep -x '  dev/three: not allowed here' <<<"$output"
	grep -x '  dev: ctest ended with status 137' <<<"$output"
	[ "${lines[-1]}" = '4 passed, 1 failed' ]
}

@test "what is left running is found and ended" {
	echo 'say_passed one; sleep 200 >/dev/null 2>&1 & echo $! >left' \
		>ctest_does
	runs 1 --quick
	grep "left: $(cat left) sleep 200" <<<"$output"
	[ "${lines[-1]}" = '3 passed, 1 failed' ]
	[ ! -e "/proc/$(cat left)" ] ||
		grep -q '^State:.*Z' "/proc/$(cat left)/status"
}

@test "the tiers are explained, and what is no option is refused" {
	run -0 tests/run.sh --help
	[[ $output == *--quick*"5 minutes"*"40 minutes"*--night* ]]
	run -2 tests/run.sh --long
	run -2 tests/run.sh --seed many
}
