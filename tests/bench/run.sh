#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures memd beside the kernel's own swap, the bare disk and a bare fault, in
# one run, on one disk, under one limit, and the memory of another host beside
# bare TCP and nbdkit; prints tables, writes JSON, Markdown and a chart.
# Everything it makes (swap files, a cgroup, a zram, processes) is gone when it
# ends, however it ends.
#
# Builds build/bench first.  Exit status: that of the benchmark (0: all bytes
# were right).
set -u

root=$(cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
# shellcheck source=tests/waiting.sh
. "$root/tests/waiting.sh"
build=$root/build/bench
out='' json='' parent=${TMPDIR:-/var/tmp}
is_built=true is_markdown=false is_published=false
has_paging=true has_remote=true
options=() remote_options=()
work='' running=''
limit=(timeout -k 300 12h)	# a hang, not a slow machine

usage() {
	cat <<-END
	usage: tests/bench/run.sh [OPTION...] [-- OPTION OF paging...]

	  --quick        small sizes, one run: a first look, in three minutes
	  --only LIST    some of it: floor, disk, idle, remote, and works
	                 (paging --help names them)
	  --json FILE    where the JSON goes as well
	  --out FOLDER   where all files go (build/bench): performance.json,
	                 .md, .svg, .txt
	  --markdown     print the Markdown tables, not those for terminals
	  --publish      put tables and chart into docs/performance.md, .svg
	  --dir FOLDER   where the swap files go, on a disk (\$TMPDIR, else
	                 /var/tmp)
	  --build FOLDER measure what was built there, build nothing
	  --help         this text

	As root all contestants take part.  As an ordinary user the kernel's
	swap is left out, and the output says so.
	END
}

# choose LIST: what is another program's is taken off it.
choose() {
	local rest

	rest=$(tr ',' '\n' <<<"$1" | grep -vx remote | paste -sd,)
	[ "$rest" != "$1" ] || has_remote=false
	if [ -n "$rest" ]; then
		options+=(--only "$rest")
	else
		has_paging=false
	fi
}

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--only | --json | --out | --dir | --build)
			[ $# -ge 2 ] || { usage >&2; exit 64; } ;;
		esac
		case $1 in
		--quick)	options+=(--quick)
				remote_options+=(--quick) ;;
		--only)		choose "$2"; shift ;;
		--json)		json=$2; shift ;;
		--out)		out=$2; shift ;;
		--markdown)	is_markdown=true ;;
		--publish)	is_published=true ;;
		--dir)		parent=$2; shift ;;
		--build)	build=$(cd -- "$2" && pwd) || exit 64
				is_built=false; shift ;;
		--help | -h)	usage; exit 0 ;;
		--)		shift; options+=("$@"); return ;;
		*)		usage >&2; exit 64 ;;
		esac
		shift
	done
}

say() {
	printf '== %s\n' "$*" >&2
}

build_release() {
	local log=$work/build.log

	say "building $build"
	(cd -- "$root" && cmake --preset bench &&
		cmake --build --preset bench \
			--target memd paging remote_paging) \
		>"$log" 2>&1 && return
	tail -n 40 "$log" >&2
	say "it does not build"
	exit 1
}

# ---- leaving nothing behind

# What the machine has that we might change: remembered before, and put right
# afterwards should the benchmark have been killed before it could.
cluster=$(cat /proc/sys/vm/page-cluster 2>/dev/null)
zrams=$(ls -d /sys/block/zram* 2>/dev/null)

remove_new_zrams() {
	local zram control=/sys/class/zram-control

	for zram in /sys/block/zram*; do
		[ -e "$zram" ] || continue
		! grep -qxF "$zram" <<<"$zrams" || continue
		swapoff "/dev/${zram##*/}" 2>/dev/null
		echo 1 >"$zram/reset" &&
			echo "${zram##*zram}" >"$control/hot_remove"
	done
}

# The cgroups of benchmarks that are no more.
dead_groups() {
	local group

	find /sys/fs/cgroup -maxdepth 2 -type d -name 'memd-bench.*' \
		2>/dev/null |
		while read -r group; do
			[ -e "/proc/${group##*.}" ] || echo "$group"
		done
}

# The benchmark was killed.
clean_up_after() {
	local file group

	say "the benchmark was killed: cleaning up after it"
	for _ in {1..50}; do
		group=$(dead_groups | head -n 1)
		file=$(awk -v dir="$work/" 'index($1, dir) == 1 { print $1 }' \
			/proc/swaps)
		[ -n "$group$file" ] || break
		[ -z "$file" ] || swapoff "$file"
		[ -z "$group" ] || rmdir "$group" 2>/dev/null
		sleep 0.1
	done
	remove_new_zrams
	[ -z "$cluster" ] || echo "$cluster" >/proc/sys/vm/page-cluster
}

finish() {
	[ -z "$running" ] || stop TERM
	[ -z "$work" ] || rm -rf --one-file-system -- "$work"
}

# stop SIGNAL: end the benchmark, and wait until it has cleaned up.
stop() {
	kill "-$1" "$running" 2>/dev/null
	wait_gone "$running" 'the benchmark to clean up'
	wait_for_running
}

# wait_for_running: its exit status; not left early for a signal of ours.
wait_for_running() {
	local code pid=$running

	wait "$pid"
	code=$?
	while kill -0 "$pid" 2>/dev/null; do
		wait "$pid"
		code=$?
	done
	running=''
	[ "$code" -ne 124 ] ||
		say "the benchmark has not ended in 12 hours, and was ended"
	[ "$code" -ne 137 ] || [ "$(id -u)" -ne 0 ] || clean_up_after
	return "$code"
}

prepare() {
	exec </dev/null
	export LC_ALL=C.UTF-8
	# memd is configured by MEMD_* too; not by those of our caller.
	for name in "${!MEMD_@}"; do
		unset "$name"
	done
	: "${out:=$root/build/bench}"
	mkdir -p -- "$out" || exit 1
	out=$(cd -- "$out" && pwd) || exit 1
	work=$(mktemp -d "$parent/memd-run-XXXXXX") || exit 1
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# ---- results

# In docs/performance.md, all between the markers is ours.
publish() {
	local page=$root/docs/performance.md

	awk -v tables="$out/performance.md" '
		/^<!-- end of figures -->/ { inside = 0 }
		!inside { print }
		/^<!-- figures -->/ {
			inside = 1
			print ""
			while ((getline line < tables) > 0)
				print line
			print ""
		}' "$page" >"$work/page" || return
	cp -- "$work/page" "$page" &&
		cp -- "$out/performance.svg" "$root/docs/performance.svg" &&
		say "published in docs/performance.md and docs/performance.svg"
}

measure_paging() {
	TMPDIR=$work "${limit[@]}" "$build/tests/bench/paging" --dir "$work" \
		--json "$out/performance.json" \
		--markdown "$out/performance.md" \
		--chart "$out/performance.svg" \
		${options[@]+"${options[@]}"} >"$out/performance.txt" &
	running=$!
	wait_for_running
}

# Added to the files of the others.
measure_remote() {
	TMPDIR=$work "${limit[@]}" "$build/tests/bench/remote_paging" \
		--json "$work/remote.json" --markdown "$work/remote.md" \
		${remote_options[@]+"${remote_options[@]}"} \
		>"$work/remote.txt" &
	running=$!
	wait_for_running || return
	cat -- "$work/remote.txt" >>"$out/performance.txt"
	cat -- "$work/remote.md" >>"$out/performance.md"
	if $has_paging; then
		# The last brace of the one is put behind the other.
		sed -i '$ s/}$/,\n"remote":/' "$out/performance.json" &&
			{ cat -- "$work/remote.json" && echo '}'; } \
				>>"$out/performance.json"
	else
		cp -- "$work/remote.json" "$out/performance.json"
	fi
}

measure() {
	if $has_paging; then
		measure_paging || return
	else
		rm -f -- "$out"/performance.{json,md,svg,txt}
	fi
	! $has_remote || measure_remote
}

main() {
	local code=0

	parse_options "$@"
	if $is_published && ! { $has_paging && $has_remote; }; then
		say "only all of it is published"
		exit 64
	fi
	prepare
	! $is_built || build_release
	say "measuring; files go to $out"
	measure || code=$?
	if [ "$code" -ne 0 ]; then
		cat -- "$out/performance.txt"
		say "failed with status $code"
		exit "$code"
	fi
	if $is_markdown; then
		cat -- "$out/performance.md"
	else
		cat -- "$out/performance.txt"
	fi
	[ -z "$json" ] || cp -- "$out/performance.json" "$json" || exit
	! $is_published || publish || exit
	say "$SECONDS s in all"
}

main "$@"
