#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that the examples give the right output on memory many times larger
# than memd's pool, in both fault modes, compared with programs that know
# nothing of memd; that they leave nothing behind in it; and that bigsort says so
# when its memory is lost.
#
# Needs MEMD_BUILD_DIR, the build to test.

load ../disk.sh
load ../waiting.sh

pool_bytes=$((4 << 20))

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	export memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	export memctl=${MEMCTL_BIN:-$MEMD_BUILD_DIR/client/memctl/memctl}
	export examples=$MEMD_BUILD_DIR/examples
	local name

	for name in "${!MEMD_@}"; do
		case $name in
		MEMD_BUILD_DIR | MEMD_BIN | MEMD_TEST_*) ;;
		*) unset "$name" ;;
		esac
	done
	export MEMCLIENT_ADDRESS=$BATS_FILE_TMPDIR/memd.sock
	make_texts
	start_memd "$BATS_FILE_TMPDIR"
}

# start_memd FOLDER: at MEMCLIENT_ADDRESS, with all that is its in the folder.
start_memd() {
	local folder=$1 status=0 pid

	: >"$folder/memd.conf"
	"$memd" --config="$folder/memd.conf" \
		--socket="$MEMCLIENT_ADDRESS" --pool-size="$pool_bytes" \
		--swap-dir="$(swap_dir "$folder")" \
		--swap-size=320M >>"$folder/log" 2>&1 3>&- 9>&- &
	pid=$!
	echo "$pid" >"$folder/pid"
	wait_memd "$pid" "$folder/log" "$memctl" status && return
	status=$?
	rm "$folder/pid"
	[ "$status" -eq 3 ] && skip "the kernel does not let memd run"
	return 1
}

# Real text: four times the pool, in several files; beside them an empty one,
# one without a newline at its end, and one that is no text at all.
make_texts() {
	cd "$BATS_FILE_TMPDIR"
	(set +o pipefail
	 find /usr/include /usr/share/common-licenses /usr/share/perl \
		 /usr/share/doc /usr/lib/python3* -type f ! -name '*.gz' \
		 -print0 2>/dev/null | xargs -0 grep -IlZ '' 2>/dev/null |
		 xargs -0 cat 2>/dev/null | head -c $((4 * pool_bytes))) >all
	[ "$(stat -c %s all)" -eq $((4 * pool_bytes)) ]
	split -n 4 all part.
	: >empty
	printf 'a line without an end' >endless
	head -c 300000 "$memd" >binary
}

# end_memd FOLDER [SIGNAL]: the one of that folder.
end_memd() {
	local folder=$1 pid

	[ -s "$folder/pid" ] || return 0
	pid=$(cat "$folder/pid")
	rm "$folder/pid"
	kill "-${2:-TERM}" "$pid"
	wait_gone "$pid" 'memd to end' || { cat "$folder/log" >&2; return 1; }
	# A broken invariant, or a sanitizer's complaint, is in the log.
	if grep -E 'broken:|Sanitizer' "$folder/log" >&2; then
		return 1
	fi
}

teardown_file() {
	end_memd "$BATS_FILE_TMPDIR"
}

# Where a test has failed with one of its own.
teardown() {
	end_memd "$BATS_TEST_TMPDIR"
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	odd_ones="empty endless binary"
	texts="part.aa part.ab part.ac part.ad $odd_ones"
}

# A figure of the line that bigsort -v prints.
figure() {
	sed -n "s/^bigsort: .*\b$1=\([0-9]*\).*/\1/p" "$2"
}

sorts_as_sort() {
	LC_ALL=C sort -T . -S 8M $texts >expected
	"$examples/bigsort" -v -m "$1" $texts >sorted 2>figures
	cat figures
	cmp expected sorted
	[ "$(figure mapped_bytes figures)" -ge $((4 * pool_bytes)) ]
	[ "$(figure faults_swap_in figures)" -gt 0 ]
}

# The table is spread over four times the pool, whatever the text.
counts_as_uniq() {
	local text texts="part.aa $odd_ones"

	for text in $texts; do
		LC_ALL=C tr -cs 'A-Za-z' '\n' <"$text"
		echo
	done | grep . | LC_ALL=C sort -T . -S 8M | uniq -c |
		LC_ALL=C sort >expected
	"$examples/sharedcount" -m "$1" -j 4 $texts | LC_ALL=C sort >counted
	cmp expected counted
}

@test "bigsort sorts as sort does, faults handled by the library's thread" {
	sorts_as_sort thread
}

@test "bigsort sorts as sort does, faults handled inline" {
	sorts_as_sort inline
}

@test "bigsort of nothing is nothing" {
	[ -z "$("$examples/bigsort" empty)" ]
}

@test "bigsort -H holds its memory until its input ends" {
	mkfifo hold
	exec 9<>hold
	# Not those of the test before this one.
	: >figures
	"$examples/bigsort" -v -H part.a[abc] <hold >held 2>figures 3>&- 9>&- &
	local pid=$!
	wait_while_alive "$pid" 'bigsort to have sorted' grep -q lines= figures
	# It is there, with some of its memory in swap.
	"$memctl" -o raw ps >ps.raw
	cat ps.raw
	awk -F '\t' -v pid="$pid" '$1 == pid && $7 > 0 { found = 1 }
		END { exit !found }' ps.raw
	exec 9>&-
	wait_exit "$pid" 'bigsort to end'
}

# It stands in the middle of its output, most of its memory in swap, as
# its memd ends; the next one knows nothing of it.  So no time decides.
loses_its_memory() {
	local pid status=0

	cd "$BATS_TEST_TMPDIR"
	export MEMCLIENT_ADDRESS=$PWD/memd.sock
	start_memd "$PWD"
	mkfifo output
	"$examples/bigsort" -m "$1" "$BATS_FILE_TMPDIR/all" >output 2>said \
		3>&- &
	pid=$!
	exec 9<output
	timeout 120 head -c 1 <&9 >/dev/null
	end_memd "$PWD" KILL
	start_memd "$PWD"
	timeout 120 cat <&9 >rest
	exec 9<&-
	wait_exit "$pid" 'bigsort to end' || status=$?
	end_memd "$PWD"
	cat said
	[ "$status" -eq 1 ]
	[ "$(wc -l <said)" -eq 1 ]
	grep '^bigsort: memory is lost: ' said
	[ "$(stat -c %s rest)" -lt $((4 * pool_bytes)) ]
}

@test "bigsort says that its memory is lost, faults handled by a thread" {
	loses_its_memory thread
}

@test "bigsort says that its memory is lost, faults handled inline" {
	loses_its_memory inline
}

@test "bigsort says what it was given and cannot read" {
	run "$examples/bigsort" .
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	run "$examples/bigsort" not-there
	[ "$status" -eq 1 ]
	[[ "$output" = *not-there* ]]
	run "$examples/bigsort"
	[ "$status" -eq 2 ]
}

@test "bigsort sorts as sort does in memory of its own, no memd needed" {
	LC_ALL=C sort -T . -S 8M $texts >expected
	"$examples/bigsort" -v -s embedded:pool_size=4M,swap_size=320M $texts \
		>sorted 2>figures
	cmp expected sorted
	[ "$(figure faults_swap_in figures)" -gt 0 ]
	# Only where there is no daemon on this machine.
	[ ! -e /run/memd/memd.sock ] || return 0
	(unset MEMCLIENT_ADDRESS
	 "$examples/bigsort" -v $texts >sorted 2>figures)
	cmp expected sorted
	grep 'going on without' figures
}

@test "bigsort without the memd it was told ends with one line that says so" {
	run "$examples/bigsort" -s "$BATS_TEST_TMPDIR/nobody" endless
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" = *"$BATS_TEST_TMPDIR/nobody"* ]]
}

@test "sharedcount's processes count as one, faults handled by threads" {
	counts_as_uniq thread
}

@test "sharedcount's processes count as one, faults handled inline" {
	counts_as_uniq inline
}

@test "sharedcount with too small a table fails and leaves no segment" {
	run "$examples/sharedcount" --slots 64 part.aa
	[ "$status" -eq 1 ]
	[[ "$output" = *"give more --slots"* ]]
	[ -z "$("$memctl" -o raw segments)" ]
}

@test "quickstart gets every page back" {
	run "$examples/quickstart"
	[ "$status" -eq 0 ]
	[ "$output" = "every page came back" ]
}

@test "quickstart does without memd where there is none" {
	MEMCLIENT_ADDRESS=$BATS_TEST_TMPDIR/none run "$examples/quickstart"
	[ "$status" -eq 0 ]
	[ "$output" = "every page came back" ]
}

@test "afterwards all frames and slots are free again" {
	value() {
		"$memctl" -o raw status | awk -F '\t' -v key="$1" \
			'$1 == key { print $2 }'
	}
	# Sessions end when memd has read that they did, and then their
	# segments, piece by piece.
	is_empty() {
		[ "$(value sessions)" -le 1 ] &&
			[ "$(value committed_bytes)" -eq 0 ]
	}
	wait_until 'sessions and segments to end' is_empty
	"$memctl" status
	[ -z "$("$memctl" -o raw segments)" ]
	[ "$(value pool_free_bytes)" -eq "$(value pool_bytes)" ]
	[ "$(value swap_free_bytes)" -eq "$(value swap_bytes)" ]
	[ "$(value pages_lost)" -eq 0 ]
}
