#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds memd, runs its tests, and ends with the line "N passed, N failed"; what
# was skipped, and why, stands before it, single cases of a test that passed
# too.  Every test of ctest counts as one, and so does every other step: a build
# without warnings, a linter without findings, a fuzz target, "nothing is left
# running".  How much is run is the tier: quick, run or night.
#
# Installs missing Debian packages when it may; else changes nothing outside
# build/ and a temporary folder.
set -u

root=$(cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
cd -- "$root" || exit 1
# shellcheck source=tests/packages.sh
. tests/packages.sh
# shellcheck source=tests/waiting.sh
. tests/waiting.sh

tier=run seed='' coverage=false install=true uring=true label=''
passed=0 failed=0 skipped=0
failures=() skips=() times=()
scratch='' current='' beat=''
logs=build/logs
jobs=$(nproc)

usage() {
	cat <<-END
	usage: tests/run.sh [--quick | --night] [OPTION...]

	The tier is how much is run, here on two cores:

	  --quick          within 5 minutes, while one develops: the build dev,
	                   its tests but for the slow ones, and the structure
	                   of the sources
	  (neither)        within 40 minutes, for each change (CI): all tests
	                   in dev, asan and tsan, the linters, some fuzzing.
	                   Of long lists of cases it takes a sample.
	  --night          hours: whole lists, more rounds, fuzzing and
	                   simulation, quickstart.sh, and all tests once more
	                   where io_uring is forbidden

	  --seed N         chooses the samples and seeds of the tests (1; at
	                   night the date)
	  --label L        only the tests of ctest with label L (a regular
	                   expression): unit, store, proto, sim, model,
	                   integration, net, regress, fuzz, bench
	  --without-uring  forbid io_uring to all tests: memd takes the swap
	                   store with threads (sync)
	  --coverage       instead of all that: build with coverage, run the
	                   tests, print how many lines they reach
	  --no-install     install nothing and do not look at packages
	  --help           this text

	Runs as root or as an ordinary user; tests that the kernel does not
	allow are skipped, with their reasons at the end.  The last line is
	"N passed, N failed"; exit status 0 when nothing failed.
	END
}

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--quick | --night)
				tier=${1#--} ;;
		--seed)		[ $# -ge 2 ] || { usage >&2; exit 2; }
				seed=$2; shift ;;
		--seed=*)	seed=${1#*=} ;;
		--without-uring)
				uring=false ;;
		--coverage)	coverage=true ;;
		--label)	[ $# -ge 2 ] || { usage >&2; exit 2; }
				label=$2; shift ;;
		--label=*)	label=${1#*=} ;;
		--no-install)	install=false ;;
		-h | --help)	usage; exit 0 ;;
		*)		usage >&2; exit 2 ;;
		esac
		shift
	done
	if [ -z "$seed" ]; then
		seed=1
		[ "$tier" != night ] || seed=$(date +%Y%m%d)
	fi
	case $seed in
	*[!0-9]* | ??????????)
		echo "--seed takes a number below 1000000000" >&2
		exit 2 ;;
	esac
}

# ---- results

say() {
	printf '\n== %s\n' "$*"
}

record_pass() {
	passed=$((passed + 1))
}

record_failure() {
	failed=$((failed + 1))
	failures+=("$1")
}

record_skip() {
	skipped=$((skipped + 1))
	skips+=("$1: $2")
}

record_time() {
	times+=("$(printf '%5d s  %s' "$2" "$1")")
}

# sum_up: everything one wants to know at the end, and the last line.
sum_up() {
	local line="$passed passed, $failed failed"

	if [ "${#times[@]}" -gt 0 ]; then
		say "time spent ($SECONDS s in all)"
		printf '%s\n' "${times[@]}"
	fi
	if [ "${#skips[@]}" -gt 0 ]; then
		say "skipped"
		printf '  %s\n' "${skips[@]}"
	fi
	if [ "${#failures[@]}" -gt 0 ]; then
		say "FAILED (output is above, and in $logs); tier $tier," \
			"seed $seed"
		printf '  %s\n' "${failures[@]}"
	fi
	printf '\n%s\n' "$line"
	[ "$failed" -eq 0 ]
}

# ---- running things

# The last line of LOG that is not blank.  A log may not be there yet, or not any
# more.
last_line() {
	grep -s '[^[:blank:]]' "$1" | tail -n 1 | cut -c 1-60
}

# Say now and then how far LOG has come, so that nobody thinks we hang.
heartbeat() {
	local log=$1 nap='' start=$SECONDS

	trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; exit 0' TERM
	while :; do
		sleep 30 >/dev/null 2>&1 9>&- &
		nap=$!
		wait "$nap"
		printf '   ... %d s: %s\n' $((SECONDS - start)) \
			"$(last_line "$log")"
	done
}

# run_limited SECONDS LOG COMMAND...: output to LOG, no stdin, killed with its
# whole process group when it takes too long.  MEMD_TEST_RUN marks the
# processes that are ours (see leftovers).
run_limited() {
	local limit=$1 log=$2 code

	shift 2
	env MEMD_TEST_RUN="$scratch" TMPDIR="$scratch" \
		timeout -k 10 "$limit" "$@" >"$log" 2>&1 9>&- &
	current=$!
	wait "$current" 2>/dev/null
	code=$?
	current=''
	[ "$code" -ne 124 ] ||
		{ echo "took longer than $limit s" >>"$log"; } 2>/dev/null
	return "$code"
}

# step NAME SECONDS COMMAND...: one test of its own.  Exit status 77 skips.
step() {
	local name=$1 limit=$2 log=$logs/${1//[ \/]/-}.log start=$SECONDS
	local code

	shift 2
	say "$name"
	mkdir -p "$logs"
	: >"$log"
	heartbeat "$log" &
	beat=$!
	run_limited "$limit" "$log" "$@"
	code=$?
	kill "$beat" 2>/dev/null
	wait "$beat" 2>/dev/null
	beat=''
	record_time "$name" $((SECONDS - start))
	case $code in
	0)	record_pass
		echo "   ok, $((SECONDS - start)) s" ;;
	77)	record_skip "$name" "$(cat_log "$log" | skip_reason)"
		echo "   skipped" ;;
	*)	record_failure "$name"
		cat_log "$log" | tail -n 60
		echo "   FAILED with status $code, $((SECONDS - start)) s" ;;
	esac
	return "$code"
}

cat_log() {
	cat -- "$1" 2>/dev/null || echo "$1 has gone: no log of it"
}

# The line on stdin that says why, else the last one.
skip_reason() {
	awk 'NF { last = $0 }
	     tolower($0) ~ /skip/ && tolower($0) !~ /^\[/ { why = $0 }
	     END { print why != "" ? why : last }' |
		sed -E 's/^(skipp?e?d?:? )+//I'
}

# ---- builds

# Configure and build, in a shell of its own so that timeout can run it.  A
# build passes when it says nothing: no warning of the compiler or of cmake.
build_quietly() {
	local preset=$1 log=$scratch/build-$1.log

	shift
	(cmake --preset "$preset" && cmake --build --preset "$preset" \
		-j "$(nproc)" "$@") 2>&1 | tee "$log"
	[ "${PIPESTATUS[0]}" -eq 0 ] &&
		! grep -nE 'warning:|CMake [A-Za-z ]*Warning' "$log"
}

build() {
	# shellcheck disable=SC2016 # the inner shell's "$@"
	step "build $1" 900 bash -c 'build_quietly "$@"' build "$@"
}

# ---- ctest

# sanitizer_settings PRESET: KEY=VALUE words for env.
sanitizer_settings() {
	case $1 in
	asan)	echo ASAN_OPTIONS=strict_string_checks=1:detect_leaks=1
		echo UBSAN_OPTIONS=print_stacktrace=1 ;;
	tsan)	printf %s TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
		echo ":suppressions=$root/tests/tsan.supp" ;;
	dev)	echo MALLOC_PERTURB_=165 ;;
	esac
}

# TSan of GCC 12 aborts where addresses are more random than it knows
# (vm.mmap_rnd_bits > 28); without randomness it always starts.
wrapper() {
	[ "$1" = tsan ] && setarch -R true 2>/dev/null && echo setarch -R
}

ctest_end='-- ctest has ended --'

# Show LOG as it grows, until ctest_end is in it.
show_ctest() {
	tail -n +1 -f --pid=$$ "$1" 2>/dev/null | sed -u -E \
		"/^$ctest_end\$/Q; /^ *(Start +[0-9]|Test project|Internal)/d"
}

# end_shown PID LOG: show_ctest has shown LOG.  If LOG has gone, it never ends
# by itself.
end_shown() {
	local wait_seconds=5

	{ echo "$ctest_end" >>"$2"; } 2>/dev/null
	wait_exit "$1" 'the output of ctest to be shown'
}

# Labels that PRESET leaves out, as a regular expression: what says so itself,
# figures, which mean nothing in an instrumented build, for TSan what has one
# thread, and what is not quick.
left_out() {
	case $tier,$1 in
	quick,*)	echo "^(no-$1|bench|slow)\$" ;;
	*,dev)		echo '^no-dev$' ;;
	*,tsan)		echo '^(no-tsan|bench|sim|fuzz)$' ;;
	*)		echo "^(no-$1|bench)\$" ;;
	esac
}

# run_ctest PRESET SECONDS [without-uring]: all its tests, each recorded.
run_ctest() {
	local preset=$1 limit=$2 name=$1${3:+ $3} start=$SECONDS
	local log=$logs/ctest-${name// /-}.log
	local settings prefix shown code known=$((passed + failed + skipped))
	local failed_before=$failed select

	select=(-LE "$(left_out "$preset")")
	[ -z "$label" ] || select+=(-L "$label")
	mapfile -t settings < <(sanitizer_settings "$preset")
	mapfile -t prefix < <(wrapper "$preset" | tr ' ' '\n')
	[ "$name" = "$preset" ] ||
		prefix+=("build/$preset/tests/without_uring")
	say "tests, $name"
	mkdir -p "$logs"
	: >"$log"
	show_ctest "$log" &
	shown=$!
	run_limited "$limit" "$log" env "${settings[@]}" "${prefix[@]}" \
		ctest --test-dir "build/$preset" --output-on-failure \
		--timeout 900 -j "$jobs" "${select[@]}"
	code=$?
	end_shown "$shown" "$log"
	record_time "tests, $name" $((SECONDS - start))
	record_ctest "$preset" "$name" "$log"
	if [ "$code" -eq 77 ]; then
		record_skip "tests, $name" "$(cat_log "$log" | skip_reason)"
	elif [ $((SECONDS - start)) -ge "$limit" ]; then
		record_failure "$name: ctest took longer than $limit s"
	elif [ "$known" -eq $((passed + failed + skipped)) ] &&
		{ [ -z "$label" ] || [ "$preset" = dev ]; }; then
		record_failure "$name: no tests${label:+ labelled $label}"
	elif [ "$code" -ne 0 ] && [ "$failed" -eq "$failed_before" ]; then
		record_failure "$name: ctest ended with status $code"
	fi
}

# Read the result lines of ctest:
#   "1/9 Test  #1: test_wire ........   Passed    0.02 sec"
record_ctest() {
	local preset=$1 run=$2 log=$3 name result

	while read -r name result; do
		case $result in
		Passed)		record_pass
				list_skipped_cases "$preset" "$run" "$name" ;;
		Skipped)	record_skip "$run/$name" \
				"$(test_output "$preset" "$name" |
					skip_reason)" ;;
		*)		record_failure "$run/$name" ;;
		esac
	done < <(cat_log "$log" | awk '/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
		sub(/^.*Test +#[0-9]+: /, "")
		result = "Failed"
		if (/\*\*\*Skipped/) result = "Skipped"
		if (/ Passed +[0-9.]+ sec/) result = "Passed"
		print $1, result }')
}

# A test that passed may have left out some of its cases.  They are neither
# passed nor failed, and are only said with what was skipped.
list_skipped_cases() {
	local case

	while IFS= read -r case; do
		skips+=("$2/$3, $case")
	done < <(test_output "$1" "$3" | skipped_cases)
}

# "CASE: REASON" for each, of what a program with cmocka
#   "[ RUN      ] CASE", "skip: REASON", "[  SKIPPED ] CASE"
# or bats printed: "ok 1 CASE # skip REASON".  cmocka lists them again at its
# end.
skipped_cases() {
	awk '
		/^\[ RUN +\] / { why = "" }
		sub(/^skip: /, "") { why = $0 }
		sub(/^\[  SKIPPED \] /, "") && !/ listed below:$/ {
			if (why == "")
				why = "no reason given"
			if (!seen[$0]++)
				print $0 ": " why
		}
		/^ok [0-9]+ .* # skip/ {
			sub(/^ok [0-9]+ /, "")
			sub(/ # skip */, ": ")
			print
		}'
}

# What the last ctest noted as the output of one test.  It has two names: one
# while ctest runs, which stays if it is killed.
test_output() {
	local notes=build/$1/Testing/Temporary/LastTest.log

	[ ! -e "$notes.tmp" ] || notes=$notes.tmp
	[ -e "$notes" ] || return 0
	awk -v name="$2" '
		/^[0-9]+\/[0-9]+ Testing: / { mine = $3 == name }
		/^<end of output>/ { left = -1 }
		mine && left == 0 { print }
		left > 0 { left-- }
		/^Output:$/ { left = 1 }	# skips the rule below it
		BEGIN { left = -1 }' "$notes"
}

# ---- leftovers

# Processes that the tests started and that are still there.
leftovers() {
	grep -lzsx "MEMD_TEST_RUN=$scratch" /proc/[0-9]*/environ 2>/dev/null |
		sed -E 's|/proc/([0-9]+)/.*|\1|'
}

check_leftovers() {
	local pid found=false

	say "nothing is left running"
	for pid in $(leftovers); do
		found=true
		echo "   left: $pid $({ tr '\0' ' ' \
			<"/proc/$pid/cmdline"; } 2>/dev/null)"
	done
	if $found; then
		record_failure "processes are left"
	else
		record_pass
		echo "   ok"
	fi
}

cleanup() {
	local pids

	[ -z "$beat" ] || kill "$beat" 2>/dev/null
	[ -z "$current" ] || kill "$current" 2>/dev/null
	[ -n "$scratch" ] || return
	# Until none is left: what is killed may have forked just before.
	for _ in {1..20}; do
		mapfile -t pids < <(leftovers)
		[ "${#pids[@]}" -gt 0 ] || break
		kill -9 "${pids[@]}" 2>/dev/null
		sleep 0.1
	done
	rm -rf --one-file-system "$scratch"
}

# ---- what is run

fuzz() {
	local target runs=20000

	build fuzz --target fuzz_targets || return
	[ "$tier" != night ] || runs=5000000
	for target in tests/fuzz/fuzz_*.c; do
		target=$(basename "$target" .c)
		mkdir -p "$scratch/$target"
		step "fuzz $target" 600 "build/fuzz/tests/fuzz/$target" \
			-seed="$seed" -runs="$runs" -max_len=4096 \
			-artifact_prefix="$logs/" \
			"$scratch/$target" "tests/fuzz/corpus/$target"
	done
}

lint() {
	local check

	for check in structure shellcheck man cppcheck clang-tidy; do
		step "lint $check" 600 tests/lint.sh "$check"
	done
}

# tests_of PRESET SECONDS
tests_of() {
	if $uring; then
		run_ctest "$1" "$2"
	else
		run_ctest "$1" "$2" without-uring
	fi
}

run_quick() {
	build dev && tests_of dev 600
	[ -n "$label" ] || step "lint structure" 60 tests/lint.sh structure
	check_leftovers
}

run_everything() {
	local preset limit=1800

	[ "$tier" != night ] || limit=10800
	build dev && tests_of dev "$limit"
	if [ -z "$label" ]; then
		lint
		fuzz
	fi
	for preset in asan tsan; do
		build "$preset" && tests_of "$preset" "$limit"
	done
	[ "$tier" != night ] || run_night "$limit"
	check_leftovers
}

# What is for the night alone.
run_night() {
	! $uring || run_ctest dev "$1" without-uring
	[ -z "$label" ] || return
	step "simulation, long" 14400 build/dev/tests/sim/pager_sim --long
	step "quickstart" 3600 deploy/quickstart.sh
}

# covered FOLDER: percent of its lines, from the one data file of gcovr (which
# replaces the file it writes to: not /dev/null, as root).
covered() {
	gcovr --root . --add-tracefile "$scratch/coverage.json" \
		--filter "$1" --print-summary --output "$scratch/covered" 2>/dev/null |
		sed -n 's/^lines: \([0-9.]*\)%.*/\1/p'
}

run_coverage() {
	local folder percent

	build coverage || return
	find build/coverage -name '*.gcda' -delete
	run_ctest coverage 1200
	step "gcovr" 300 gcovr --root . --object-directory build/coverage \
		--filter '(common|proto|swapstore|daemon|client)/' \
		--json "$scratch/coverage.json" build/coverage || return
	say "lines reached"
	for folder in proto swapstore daemon/pager daemon common client; do
		percent=$(covered "$folder/")
		printf '%6s %%  %s\n' "${percent:-none}" "$folder"
		case $folder in
		proto | swapstore | daemon/pager)
			if awk -v p="${percent:-0}" 'BEGIN { exit p < 90 }'
			then
				record_pass
			else
				record_failure "coverage of $folder < 90 %"
			fi ;;
		esac
	done
	printf '%6s %%  %s\n' "$(covered '')" total
	check_leftovers
}

prepare() {
	local name

	exec </dev/null
	export LC_ALL=C.UTF-8
	# memd is configured by MEMD_* too; not by those of our caller.
	for name in "${!MEMD_@}"; do
		unset "$name"
	done
	export MEMD_TEST_TIER=$tier MEMD_TEST_SEED=$seed
	export -f build_quietly
	if ! mkdir -p "$logs" || ! touch build/.lock; then
		record_failure "cannot write in $root/build"
		sum_up
		exit
	fi
	# Sockets lie in there, so the path is short; other users whom the
	# tests become may pass through.
	scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/mt.XXXXXX") || exit 1
	chmod 0711 "$scratch"
	export scratch
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

main() {
	parse_options "$@"
	prepare
	if $install && ! packages_install build test; then
		record_failure "packages are missing"
		sum_up
		exit
	fi
	# One run at a time in one checkout; others have their own build/.
	exec 9>build/.lock
	if ! flock -n 9; then
		echo "another tests/run.sh is at work in $root" >&2
		record_failure "build/ is in use"
		sum_up
		exit
	fi
	if $coverage; then
		run_coverage
	elif [ "$tier" = quick ]; then
		run_quick
	else
		run_everything
	fi
	sum_up
}

main "$@"
