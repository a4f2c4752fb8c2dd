#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks the model of one-sided faults, onesided.pml, with spin.  The protocol must
# hold in all its forms, and each planted break must be found.  Prints a line for
# each variant.  Needs no build of memd.
#
# usage: run.sh [NAME...]	only these variants
#
# Exit status 1: a variant does not say what it must.  77: spin or a compiler is
# missing.  MEMD_TEST_TIER=night adds larger instances.
set -u
set -m		# each job is a process group, to be ended as a whole

here=$(cd -- "$(dirname -- "$0")" && pwd) || exit 1
model=$here/onesided.pml
compiler=${CC:-cc}
jobs_max=2
limit_seconds=900 memory_mib=900
is_night=false
[ "${MEMD_TEST_TIER-}" != night ] || is_night=true
! $is_night || limit_seconds=3600 memory_mib=3000

# ---- variants: NAME EXPECTED FLAG...
#
# EXPECTED is "holds", or the promises that are broken (others may be, too), or
# "STUCK": somebody waits for ever.  A FLAG is one of the model without its -D.

live="LIVE RESERVE=1 ON_NEED"
one_frame="PAGES=2 POOL=1 LENT_FIRST=0 ON_NEED PRESSURE"
two_frames="PAGES=2 POOL=2 ON_NEED PRESSURE"
one_session="ONE_SESSION CELLS=2 LENT_FIRST=2 ON_NEED"
early="RESIDENT_EARLY LOAD_EARLY ADOPT_UNCLAIMED"

variants_that_hold() {
	cat <<-END
	one_page		holds DISCARDS=1
	killed			holds DISCARDS=1 MORTALS=1 ON_NEED
	both_killed		holds MORTALS=2 ON_NEED
	put_back		holds EVICTIONS=2 READAHEADS=1
	put_back_killed		holds EVICTIONS=2 MORTALS=1 ON_NEED
	moved			holds MOVES=1 ON_NEED
	detached		holds DETACHES=2 ON_NEED
	detached_killed		holds DETACHES=2 MORTALS=1 ON_NEED
	no_memory_killed	holds NOMEMS=1 MORTALS=1 ON_NEED
	two_accesses		holds ACCESSES=2 EVICTIONS=2 ON_NEED
	two_pages		holds PAGES=2 POOL=4 EVICTIONS=2 ON_NEED
	two_pages_killed	holds PAGES=2 POOL=4 MORTALS=1 ON_NEED
	three_threads		holds THREADS=3 WRITES=1 ON_NEED
	one_session		holds $one_session PAGES=2
	one_session_killed	holds $one_session MORTALS=1
	one_frame		holds $one_frame
	one_frame_killed	holds $one_frame MORTALS=1
	two_frames_killed	holds $two_frames MORTALS=1

	ask_cells		holds ASK_CELLS DISCARDS=1 ON_NEED
	touch_lies		holds TOUCH_LIES DISCARDS=1 ON_NEED
	words			holds WORDS DISCARDS=1 ON_NEED
	load_claimed		holds LOAD_CLAIMED DISCARDS=1 ON_NEED
	record_late		holds RECORD_LATE DISCARDS=1 ON_NEED
	early			holds $early ACCESSES=2 ON_NEED
	mismatch_asks		holds MISMATCH_ASKS MOVE_UNCLAIMED MOVES=1 ON_NEED

	answered		holds $live NOMEMS=1
	answered_killed		holds $live MORTALS=1
	answered_stopped	holds $live MORTALS=1 STOPS
	answered_two_pages	holds $live PAGES=2 POOL=4
	answered_load_claimed	holds $live LOAD_CLAIMED
	answered_with_intent	holds $live ASK_WITH_INTENT
	END
	! $is_night || cat <<-END
	killed.large		holds DISCARDS=1 MORTALS=1
	detached.large		holds DETACHES=2 MORTALS=1 DISCARDS=1 ON_NEED
	put_back.large		holds EVICTIONS=2 DISCARDS=1 MORTALS=1 ON_NEED
	moved.large		holds MOVES=1 DISCARDS=1 ON_NEED
	moved_killed		holds MOVES=1 MORTALS=1 ON_NEED
	moved_twice		holds MOVES=2 ON_NEED
	all_four		holds MOVES=1 DISCARDS=1 READAHEADS=1 ON_NEED
	two_accesses.large	holds ACCESSES=2 EVICTIONS=2 DISCARDS=1 ON_NEED
	two_pages.large		holds PAGES=2 POOL=4 DISCARDS=1 ON_NEED
	two_pages_twice		holds PAGES=2 POOL=4 ACCESSES=2 ON_NEED
	three_threads.large	holds THREADS=3 ON_NEED
	three_threads_killed	holds THREADS=3 MORTALS=1 WRITES=1 ON_NEED
	ask_cells.large		holds ASK_CELLS DISCARDS=1 MORTALS=1 ON_NEED
	touch_lies.large	holds TOUCH_LIES DISCARDS=1 MORTALS=1 ON_NEED
	words.large		holds WORDS DISCARDS=1 MORTALS=1 ON_NEED
	load_claimed.large	holds LOAD_CLAIMED DISCARDS=1 MORTALS=1 ON_NEED
	record_late.large	holds RECORD_LATE DISCARDS=1 MORTALS=1 ON_NEED
	early.large		holds $early EVICTIONS=2 DISCARDS=1 READAHEADS=1 ON_NEED
	answered.large		holds $live DISCARDS=1 READAHEADS=1
	answered_stopped.large	holds $live MORTALS=1 STOPS DISCARDS=1
	answered_moved		holds $live MOVES=1
	END
}

variants_that_break() {
	cat <<-END
	intent_late		STALE_BYTES,PAGE_UNCOUNTED INTENT_LATE DISCARDS=1 ON_NEED
	look_first		STALE_BYTES,PAGE_UNCOUNTED LOOK_FIRST DISCARDS=1 ON_NEED
	unlooked		STALE_BYTES,PAGE_UNCOUNTED UNLOOKED EVICTIONS=2 ON_NEED
	move_unclaimed		FOREIGN_SLOT MOVE_UNCLAIMED MOVES=1 ON_NEED
	move_unclaimed.trust	WRONG_PAGE MOVE_UNCLAIMED TRUST_SLOT MOVES=1 ON_NEED
	record_late.cells	STALE_BYTES RECORD_LATE ASK_CELLS DISCARDS=1 ON_NEED
	cells_first		STALE_BYTES CELLS_FIRST ASK_CELLS DISCARDS=1 ON_NEED
	unasked			STALE_BYTES UNASKED DISCARDS=1 ON_NEED
	believe_record		ZEROS_FOR_DATA,PAGE_UNCOUNTED BELIEVE_RECORD EVICTIONS=2 READAHEADS=1 ON_NEED
	clean_at_close		STALE_BYTES,BELOW_ZERO CLEAN_AT_CLOSE MORTALS=1 DISCARDS=1 ON_NEED
	detach_unread		PAGE_UNCOUNTED,TOO_MANY_FRAMES DETACH_UNREAD DETACHES=2 ON_NEED
	clean_by_intents	BELOW_ZERO CLEAN_BY_INTENTS MORTALS=1 POOL=1 LENT_FIRST=0
	take_back_blindly	TOO_MANY_FRAMES,BELOW_ZERO TAKE_BACK_BLINDLY
	keep_credit		CREDIT_LEAKED KEEP_CREDIT ON_NEED
	fields_first		STALE_BYTES FIELDS_FIRST ON_NEED
	state_first		STALE_BYTES STATE_FIRST ON_NEED
	record_ends_load	ZEROS_FOR_DATA RECORD_ENDS_LOAD EVICTIONS=2 ON_NEED
	put_back_early		STALE_BYTES,NOT_ALONE PUT_BACK_EARLY ACCESSES=2 ON_NEED

	ask_with_intent		STUCK $live ASK_WITH_INTENT LOAD_CLAIMED
	load_claimed.stopped	STUCK $live LOAD_CLAIMED MORTALS=1 STOPS
	eexist_unmapped		STUCK $live EEXIST_UNMAPPED MORTALS=1 STOPS
	answer_unmapped		STUCK $live ANSWER_UNMAPPED MORTALS=1 STOPS POOL=2 LENT_FIRST=0
	END
}

# ---- one variant

# build EXPECTED FLAG...: make the checker, ./pan.
build() {
	local cc_flags=(-Og -w -DCOLLAPSE "-DMEMLIM=$memory_mib")

	case " $* " in
	*" LIVE "*)	;;
	*)		cc_flags+=(-DSAFETY) ;;
	esac
	shift
	spin -a "${@/#/-D}" "$model" &&
		"$compiler" "${cc_flags[@]}" -o pan pan.c
}

# check EXPECTED FLAG...: run ./pan.  For a break it goes on after an error (up to
# 2000 of them), so that it tells of other promises, too.
check() {
	local pan_flags=(-n -m100000)

	case " $* " in
	*" LIVE "*)	pan_flags+=(-a -f) ;;
	*)		[ "$1" = holds ] || pan_flags+=(-E -c2000) ;;
	esac
	timeout --foreground -s INT "$limit_seconds" ./pan "${pan_flags[@]}" |
		awk '/^pan:[0-9]+:/ {
			sub(/^pan:[0-9]+: */, "pan: ")
			sub(/ \(at depth .*/, "")
			if (seen[$0]++)
				next
		}
		{ print }'
	[ "${PIPESTATUS[0]}" -lt 124 ] || echo "out of time, or killed"
}

# verdict LOG: what ./pan has found, as in EXPECTED.
verdict() {
	local found

	found=$(sed -n -E '
		s/^pan: .*\|\|([A-Z_]+)\).*/\1/p; t
		s/^pan: (acceptance cycle|invalid end state).*/STUCK/p; t
		/^pan: (wrote|elapsed|rate) /d
		s/^pan: .*/ERROR/p' "$1" | sort -u | paste -sd ,)
	if [ -z "$found" ]; then
		found=holds
		if ! grep -q 'errors: 0' "$1" ||
			grep -qE 'not completed|depth too small' "$1"
		then
			found=UNFINISHED
		fi
	fi
	echo "$found"
}

# is_expected FOUND EXPECTED: all of the words expected, and no error of the model.
is_expected() {
	local word

	[ "$1" != "$2" ] || return 0
	[ "$2" != holds ] || return 1
	for word in ${2//,/ }; do
		[[ ,$1, == *",$word,"* ]] || return 1
	done
	[[ ,$1, != *,ERROR,* ]]
}

# run_variant NAME EXPECTED FLAG...
run_variant() {
	local name=$1 expected=$2 found=UNBUILT states='' word=ok

	shift
	mkdir "$scratch/$name" && cd "$scratch/$name" || return
	if build "$@" >build.log 2>&1; then
		check "$@" >log 2>&1
		found=$(verdict log)
		states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
	else
		mv build.log log
	fi
	if ! is_expected "$found" "$expected"; then
		word=FAILED
		touch "$scratch/failed"
		tail -n 40 log
	fi
	printf '%-6s %-22s %9s states  %s\n' "$word" "$name" "${states:-no}" \
		"$found"
	[ "$word" = ok ] ||
		echo "       expected: $expected; flags: ${*:2}"
	rm -rf -- "${scratch:?}/$name"
}

# ---- all of them

cleanup() {
	local pid

	for pid in $(jobs -p); do
		kill -- "-$pid" 2>/dev/null
	done
	wait
	rm -rf -- "$scratch"
}

skip() {
	echo "skip: $*"
	exit 77
}

# is_asked_for NAME ASKED...
is_asked_for() {
	[ $# -eq 1 ] || [[ " ${*:2} " == *" $1 "* ]]
}

run_all() {
	local variant

	while read -ra variant; do
		[ "${#variant[@]}" -gt 0 ] || continue
		is_asked_for "${variant[0]}" "$@" || continue
		count=$((count + 1))
		[ "$(jobs -pr | wc -l)" -lt "$jobs_max" ] || wait -n
		run_variant "${variant[@]}" &
	done < <(variants_that_hold; variants_that_break)
	wait
}

command -v spin >/dev/null || skip "spin is not installed"
command -v "$compiler" >/dev/null || skip "there is no compiler ($compiler)"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/memd-model-XXXXXX") || exit 1
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

count=0
run_all "$@"
echo "$count variants in $SECONDS s"
[ "$count" -gt 0 ] && [ ! -e "$scratch/failed" ]
