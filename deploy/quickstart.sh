#!/bin/bash
# SPDX-License-Identifier: MIT
#
# See memd at work, from a fresh clone and with one command: builds it, starts
# a private memd with a small pool in a temporary folder, sorts a lot of real
# text in its memory with examples/bigsort, compares with sort(1), and shows
# what happened.  Installs nothing but missing packages, and leaves nothing
# behind but build/quickstart.
#
# Not a test suite: that is tests/run.sh.
set -euo pipefail

pool=64M
text_mib=256
mode=thread
folder=${TMPDIR:-/var/tmp}
cd -- "$(dirname -- "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh
# shellcheck source=tests/waiting.sh
. tests/waiting.sh
# shellcheck source=tests/disk.sh
. tests/disk.sh
build_dir=build/quickstart
dir='' memd=() memd_pid='' sort_pid='' hold=''

usage() {
	cat <<END
usage: deploy/quickstart.sh [-p SIZE] [-t MIB] [-m thread|inline]
  -p SIZE  memd's pool ($pool)
  -t MIB   how much text to sort ($text_mib)
  -m MODE  how bigsort takes its page faults ($mode)
Temporary files go to \$TMPDIR or $folder: about six times the text.
END
}

say() {
	printf '==> %s\n' "$*"
}

# Show what went wrong, in a line, and end; the trap does the rest.
fail() {
	printf 'quickstart: %s\n' "$*" >&2
	exit 1
}

end_process() {
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null || return 0
	wait_exit "$1" "process $1 to end" || true
}

cleanup() {
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	end_process "$sort_pid"
	end_process "$memd_pid"
	if [ "$status" -ne 0 ]; then
		if [ -s "$dir/memd.log" ]; then
			echo 'the end of what memd said:'
			tail -n 20 "$dir/memd.log" | sed 's/^/    /'
		fi
		echo 'quickstart: FAILED'
	fi
	[ -z "$dir" ] || rm -rf -- "$dir"
	exit "$status"
}

# ---- what is needed

install_packages() {
	if [ "$(id -u)" -eq 0 ]; then
		say "installing what is missing of the packages it needs"
	fi
	packages_install build >"$dir/apt.log" 2>&1 </dev/null ||
		{ tail -n 15 "$dir/apt.log" >&2
		  fail "packages are missing (above)"; }
}

build() {
	say "building into $build_dir"
	{ mkdir -p -- "$build_dir" && touch -- "$build_dir"; } ||
		fail "cannot write in $PWD/$build_dir; copy the sources to a" \
			"folder of your own"
	{ cmake -S . -B "$build_dir" -G Ninja \
		-DCMAKE_BUILD_TYPE=Release -DMEMD_TESTS=OFF &&
	  timeout --foreground 3600 cmake --build "$build_dir"; } \
		>"$dir/build.log" 2>&1 </dev/null ||
		{ tail -n 30 "$dir/build.log" >&2
		  fail "it does not build, or not within an hour (above)"; }
}

need_disk() {
	local free_mib

	free_mib=$(df -Pm -- "$folder" | awk 'NR == 2 { print $4 }')
	[ "$free_mib" -ge $((text_mib * 6 + 256)) ] ||
		fail "$folder has $free_mib MiB free and it takes" \
			"$((text_mib * 6 + 256)); set TMPDIR to a folder that has"
}

# ---- the text

# Files that are text (as grep -I judges) below these folders, each once.
cat_texts() {
	find "$@" -xdev -type f ! -name '*.gz' -size -8M -readable -print0 |
		xargs -0r grep -IlZ '' | xargs -0r cat
}

cat_compressed() {
	find "$@" -xdev -type f -name '*.gz' ! -name '*.tar.gz' \
		-readable -print0 | xargs -0r zcat
}

# Real text of this machine, one kind after the other.
real_text() {
	cat_texts /usr/share/common-licenses
	cat_texts proto common swapstore daemon client tests deploy docs \
		examples
	cat_texts /usr/include
	cat_compressed /usr/share/man
	cat_texts /usr/share/perl /usr/share/perl5 /usr/lib/python3*
	cat_compressed /usr/share/doc
	cat_texts /usr/share/doc
	cat_texts /usr/share/cmake* /usr/share/i18n /usr/share/vim \
		/usr/share/info /usr/share/zoneinfo /usr/src /usr/lib/gcc
}

# With less text than wanted on the machine, what there is comes again, each
# line with a prefix, so that it is other text.
collect_text() {
	local want=$((text_mib * 1024 * 1024)) have round=0

	say "collecting $text_mib MiB of text: licences, headers, man pages," \
		"scripts, documentation"
	# Everybody in the pipe may end early: head takes no more than wanted.
	(set +o pipefail; real_text 2>/dev/null | head -c "$want" >"$dir/text") ||
		fail "cannot write $dir/text"
	have=$(stat -c %s "$dir/text")
	[ "$have" -ge 1048576 ] || fail "found hardly any text below /usr"
	if [ "$have" -lt "$want" ]; then
		say "there are only $((have / 1048576)) MiB; it comes again," \
			"each line with a prefix, up to $text_mib MiB"
		cp "$dir/text" "$dir/once"
	fi
	while [ "$have" -lt "$want" ]; do
		round=$((round + 1))
		(set +o pipefail; sed "s/^/$round /" "$dir/once" |
			head -c $((want - have)) >>"$dir/text")
		have=$(stat -c %s "$dir/text")
	done
	rm -f "$dir/once"
}

# ---- memd and bigsort

# memd's swap must hold text, sorted text and index (16 bytes a line).
start_memd() {
	local lines swap_mib

	lines=$(wc -l <"$dir/text")
	swap_mib=$((2 * text_mib + lines / 65536 + 64))
	[ "$swap_mib" -ge 1024 ] || swap_mib=1024
	: >"$dir/memd.conf"	# not the system's
	memd=("$build_dir/daemon/memd" --config="$dir/memd.conf"
		--socket="$dir/memd.sock" --pool-size="$pool"
		--swap-dir="$(swap_dir "$dir")" --swap-size="${swap_mib}M")
	# Its socket is in a folder of ours: who we are is no danger to it.
	[ "$(id -u)" -ne "$(cat /proc/sys/kernel/overflowuid)" ] ||
		memd+=(--allow-nobody=yes)
	say "starting memd: pool $pool, swap $swap_mib MiB"
	"${memd[@]}" >"$dir/memd.log" 2>&1 &
	memd_pid=$!
	wait_memd "$memd_pid" "$dir/memd.log" memctl status ||
		memd_did_not_start $?
}

memd_did_not_start() {
	memd_pid=''
	: >"$dir/memd.log"	# which is above
	[ "$1" -eq 3 ] || fail "memd did not start (above)"
	"${memd[@]}" --check || true
	fail "this kernel or container does not let memd run;" \
		"the lines FAIL above say what to allow." \
		"In a container it is mostly the filter for system calls:" \
		"docker run --security-opt seccomp=unconfined"
}

memctl() {
	"$build_dir/client/memctl/memctl" --socket="$dir/memd.sock" "$@"
}

# The figure of one fault kind, or of one counter.
fault_count() {
	memctl -o raw faults | awk -F '\t' -v kind="$1" '$1 == kind { print $2 }'
}

counter() {
	memctl -o raw stats "$1" | cut -f 2
}

# Tell how page faults will be taken here, and what would allow more.
say_fault_handling() {
	if [ "$(id -u)" -eq 0 ] || [ -r /dev/userfaultfd ] ||
		[ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 1 ]; then
		return
	fi
	say "this user may take page faults of its own code only; bigsort" \
		"needs no more.  To allow system calls on such memory too:" \
		"deploy/60-memd.rules and group memd, or, as root," \
		"sysctl vm.unprivileged_userfaultfd=1"
}

# bigsort holds its memory when done, until the FIFO on descriptor $hold is
# closed, so that `memctl ps` can show it.
start_bigsort() {
	mkfifo "$dir/hold"
	exec {hold}<>"$dir/hold"
	"$build_dir/examples/bigsort" -s "$dir/memd.sock" -m "$mode" -v -H \
		"$dir/text" <"$dir/hold" >"$dir/sorted" 2>"$dir/figures" \
		{hold}>&- &
	sort_pid=$!
}

await_bigsort() {
	local ticks=0

	until grep -q '^bigsort: lines=' "$dir/figures"; do
		if ! kill -0 "$sort_pid" 2>/dev/null; then
			wait_exit "$sort_pid" bigsort || bigsort_failed $?
			bigsort_failed 0
		fi
		sleep 0.2
		ticks=$((ticks + 1))
		if [ $((ticks % 25)) -eq 0 ]; then
			printf '    %3d s: %s pages evicted, %s read back\n' \
				$((ticks / 5)) "$(counter evicted)" \
				"$(fault_count swap_in)"
		fi
		[ "$ticks" -lt 6000 ] ||
			fail "bigsort has not sorted it in 20 minutes"
	done
}

bigsort_failed() {
	sort_pid=''
	cat "$dir/figures" >&2
	fail "bigsort ended with status $1"
}

# One of the key=value figures that bigsort printed.
figure() {
	sed -n "s/^bigsort: .*\b$1=\([0-9]*\).*/\1/p" "$dir/figures"
}

report() {
	local mapped_mib=$(($(figure mapped_bytes) / 1048576))

	cat <<END

bigsort sorted $(figure lines) lines, $(($(figure text_bytes) / 1048576)) MiB of text, in $(figure seconds) s.
It used $mapped_mib MiB of memory, and memd had $pool for it.
memd evicted $(counter evicted) pages of 4 KiB meanwhile, and $(fault_count swap_in) faults were
answered from swap.
The output is byte for byte that of LC_ALL=C sort.

END
	echo '$ memctl status'
	memctl status
	printf '\n$ memctl ps\n'
	memctl ps
	echo
}

finish() {
	exec {hold}>&-
	wait_exit "$sort_pid" 'bigsort to end' || bigsort_failed $?
	sort_pid=''
	kill "$memd_pid"
	wait_exit "$memd_pid" 'memd to end' ||
		{ memd_pid=''; fail "memd did not stop well"; }
	memd_pid=''
}

main() {
	local option name

	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	while getopts p:t:m:h option; do
		case $option in
		p) pool=$OPTARG ;;
		t) text_mib=$OPTARG ;;
		m) mode=$OPTARG ;;
		h) usage; exit 0 ;;
		*) usage >&2; exit 2 ;;
		esac
	done
	case $text_mib in
	'' | *[!0-9]* | 0*) fail "-t takes a number of MiB, not '$text_mib'" ;;
	esac
	case $mode in
	thread | inline) ;;
	*) fail "-m takes thread or inline, not '$mode'" ;;
	esac
	# Settings of another memd.
	for name in "${!MEMD_@}"; do
		unset "$name"
	done
	dir=$(mktemp -d -- "$folder/memd-quickstart.XXXXXX") ||
		fail "cannot make a folder in $folder; set TMPDIR"
	# A socket's path is short by the kernel's rules.
	[ "${#dir}" -lt 90 ] || fail "the path $dir is too long for a socket;" \
		"set TMPDIR to a shorter one"
	need_disk
	install_packages
	build
	collect_text
	say "sorting with LC_ALL=C sort, to compare with"
	LC_ALL=C sort -S 32M -T "$dir" "$dir/text" >"$dir/expected"
	start_memd
	say_fault_handling
	say "sorting with bigsort in memd's memory"
	start_bigsort
	await_bigsort
	cmp "$dir/sorted" "$dir/expected" ||
		fail "bigsort's output is not that of sort"
	report
	finish
	echo 'quickstart: OK'
}

main "$@"
