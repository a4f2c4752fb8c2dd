#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures memd beside the kernel's own swap, in one run, on one disk, under one
# limit, and the memory of another host beside bare TCP; writes JSON, and prints
# it as tables.  What it makes (swap file, cgroup, zram, processes, a changed
# vm.page-cluster) is gone when it ends, however it ends.
#
# Builds build/bench first.  Exit status: that of the benchmark (0: all bytes
# were right).
set -u

root=$(cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
# shellcheck source=tests/waiting.sh
. "$root/tests/waiting.sh"
build=$root/build/bench
out='' json='' parent=${TMPDIR:-/var/tmp}
is_built=true form=text is_published=false is_one_cpu=false
has_paging=true has_remote=true
options=() remote_options=()
work='' running='' group='' cpuset='' zram=''
left_out=()			# who, and why
command=(timeout -k 300 12h)	# a hang, not a slow machine

usage() {
	cat <<-END
	usage: tests/bench/run.sh [OPTION...] [-- OPTION OF paging...]

	  --quick        small sizes, one run: a first look, in three minutes
	  --smoke        smaller yet, without remote: does it work?
	  --only LIST    some of it: remote, and works (paging --help names them)
	  --one-cpu      all processes on one processor
	  --json FILE    where the JSON goes as well
	  --out FOLDER   where it goes (build/bench): performance.json
	  --markdown     print the tables as Markdown
	  --publish      put the tables into docs/performance.md
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
		--smoke)	options+=(--smoke); has_remote=false ;;
		--only)		choose "$2"; shift ;;
		--one-cpu)	is_one_cpu=true ;;
		--json)		json=$2; shift ;;
		--out)		out=$2; shift ;;
		--markdown)	form=markdown ;;
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

give_up() {
	say "$@"
	exit 1
}

build_release() {
	local log=$work/build.log

	say "building $build"
	(cd -- "$root" && cmake --preset bench &&
		cmake --build --preset bench --target memd paging remote) \
		>"$log" 2>&1 && return
	tail -n 40 "$log" >&2
	give_up "it does not build"
}

# ---- what the kernel's part needs

cluster=$(cat /proc/sys/vm/page-cluster 2>/dev/null)

leave_out() {
	left_out+=("$1 is left out: $2")
	say "$1 is left out: $2"
}

# find_group: where the memory controller is mounted; a controller is in one
# hierarchy only.
find_group() {
	local mount

	mount=$(awk '$3 == "cgroup" && ("," $4 ",") ~ /,memory,/ {
		print $2; exit }' /proc/self/mounts)
	[ -n "$mount" ] || mount=$(awk '$3 == "cgroup2" { print $2; exit }' \
		/proc/self/mounts)
	echo "$mount"
}

# make_group MIB: the cgroup and its limit, of version 1 or 2.
make_group() {
	local mount

	mount=$(find_group)
	[ -n "$mount" ] && mkdir "$mount/memd-bench.$$" || return
	group=$mount/memd-bench.$$
	if [ -e "$group/memory.limit_in_bytes" ]; then
		echo "$1M" >"$group/memory.limit_in_bytes"
		return
	fi
	[ -e "$group/memory.max" ] ||
		echo +memory >"$mount/cgroup.subtree_control" || return
	# Version 2: a process is in one group only.
	[ ! -e "$group/cpuset.cpus" ] || [ -z "$cpuset" ] ||
		cat "$cpuset/cpuset.cpus" >"$group/cpuset.cpus" || return
	echo "$1M" >"$group/memory.max"
}

# make_cpuset CPU: a cgroup with that processor alone.  taskset would not do: the
# library's thread, which must not stay where its starter was pinned to, takes
# every processor of the cpuset.
make_cpuset() {
	local mount

	mount=$(awk '$3 == "cgroup" && ("," $4 ",") ~ /,cpuset,/ {
		print $2; exit }' /proc/self/mounts)
	[ -n "$mount" ] || mount=$(awk '$3 == "cgroup2" { print $2; exit }' \
		/proc/self/mounts)
	[ -n "$mount" ] && mkdir "$mount/memd-bench-cpu.$$" || return
	cpuset=$mount/memd-bench-cpu.$$
	[ -e "$cpuset/cpuset.cpus" ] ||
		echo +cpuset >"$mount/cgroup.subtree_control" || return
	# Version 1 wants both.
	[ ! -e "$mount/cpuset.mems" ] ||
		cat "$mount/cpuset.mems" >"$cpuset/cpuset.mems" || return
	echo "$1" >"$cpuset/cpuset.cpus"
}

confine() {
	local cpu

	cpu=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	if make_cpuset "$cpu" 2>"$work/why"; then
		# shellcheck disable=SC2016 # the inner shell's
		command+=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' \
			"$cpuset")
	else
		leave_out "one processor for the library's threads" \
			"no cpuset: $(tail -n 1 "$work/why")"
		command+=(taskset -c "$cpu")
	fi
}

# make_area FILE: a swap area that can be switched on.
make_area() {
	mkswap "$1" && swapon "$1" && swapoff "$1"
}

make_swap_file() {
	fallocate -l "$1M" "$work/kernel.swap" &&
		chmod 600 "$work/kernel.swap" && make_area "$work/kernel.swap"
}

# To read hot_add is to make one.
make_zram() {
	local idx

	idx=$(cat /sys/class/zram-control/hot_add) || return
	zram=zram$idx
	echo "$1M" >"/sys/block/$zram/disksize" && make_area "/dev/$zram"
}

make_kernel_swap() {
	local room limit

	if [ "$(id -u)" -ne 0 ]; then
		leave_out "the kernel's swap" "it needs root"
		return
	fi
	read -r room limit < <("$build/tests/bench/paging" --room \
		${options[@]+"${options[@]}"}) || exit
	if ! make_group "$limit" 2>"$work/why"; then
		leave_out "the kernel's swap" \
			"no memory cgroup: $(tail -n 1 "$work/why")"
		return
	fi
	options+=(--group "$group")
	if make_swap_file "$room" >/dev/null 2>"$work/why"; then
		options+=(--swap "$work/kernel.swap")
	else
		leave_out "swap to a file" "$(tail -n 1 "$work/why")"
	fi
	if make_zram "$room" >/dev/null 2>"$work/why"; then
		options+=(--zram "/dev/$zram")
	else
		leave_out zram "$(tail -n 1 "$work/why")"
	fi
}

# ---- leaving nothing behind

is_empty() {
	[ -z "$(cat "$1/cgroup.procs")" ]
}

# switch_off AREA: if the benchmark was ended before it could.  Others' pages in
# it, of a cgroup that is full, do not come out of it at once.
switch_off() {
	! grep -q "^$1 " /proc/swaps ||
		wait_until "all to be out of $1" swapoff "$1"
}

remove_kernel_swap() {
	[ -n "$group" ] || return 0
	wait_until "the benchmark's processes to end" is_empty "$group"
	switch_off "$work/kernel.swap"
	if [ -n "$zram" ]; then
		switch_off "/dev/$zram"
		echo 1 >"/sys/block/$zram/reset" &&
			echo "${zram#zram}" >/sys/class/zram-control/hot_remove
	fi
	wait_until "the cgroup to go" rmdir "$group"
	echo "$cluster" >/proc/sys/vm/page-cluster
}

finish() {
	trap '' INT TERM HUP
	if [ -n "$running" ]; then
		kill -TERM "$running" 2>/dev/null
		wait_gone "$running" 'the benchmark to end'
	fi
	[ -n "$work" ] || return
	remove_kernel_swap
	if [ -n "$cpuset" ]; then
		wait_until "the processor to be free" is_empty "$cpuset"
		wait_until "the cpuset to go" rmdir "$cpuset"
	fi
	rm -rf --one-file-system -- "$work"
}

prepare() {
	local tool

	exec </dev/null
	export LC_ALL=C.UTF-8
	for tool in jq column; do
		command -v "$tool" >/dev/null ||
			give_up "$tool is not installed"
	done
	[ "$(stat -fc %T "$parent")" != tmpfs ] ||
		give_up "$parent is a tmpfs: choose a folder on a disk (--dir)"
	# memd is configured by MEMD_* too; not by those of our caller.
	for name in "${!MEMD_@}"; do
		unset "$name"
	done
	: "${out:=$root/build/bench}"
	mkdir -p -- "$out" || exit 1
	out=$(cd -- "$out" && pwd) || exit 1
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	work=$(mktemp -d "$parent/memd-run-XXXXXX") || exit 1
	! $is_one_cpu || confine
}

# ---- results

describe_machine() {
	local reasons

	reasons=$(printf '%s\n' ${left_out[@]+"${left_out[@]}"} |
		jq -R 'select(. != "")' | jq -s .)
	jq -n --arg kernel "$(uname -r | grep -o '^[0-9.]*')" \
		--argjson cpus "$(getconf _NPROCESSORS_ONLN)" \
		--argjson memory_mib "$(awk '/^MemTotal/ {
			print int($2 / 1024) }' /proc/meminfo)" \
		--arg filesystem "$(findmnt -no FSTYPE -T "$work")" \
		--argjson swappiness "$(cat /proc/sys/vm/swappiness)" \
		--argjson page_cluster "$cluster" \
		--argjson load "$(cut -d ' ' -f 1 /proc/loadavg)" \
		--argjson is_one_cpu "$is_one_cpu" \
		--argjson left_out "$reasons" \
		'{ benchmark: "paging", version: 3, machine: { $kernel, $cpus,
		$memory_mib, $filesystem, $swappiness, $page_cluster, $load,
		$is_one_cpu }, $left_out }'
}

# run PROGRAM OPTION...: its JSON goes to $work/PROGRAM.json.
run() {
	local code program=$1

	shift
	TMPDIR=$work "${command[@]}" "$build/tests/bench/$program" "$@" \
		>"$work/$program.json" &
	running=$!
	wait "$running"
	code=$?
	running=''
	[ "$code" -ne 124 ] || say "$program has not ended in 12 hours"
	return "$code"
}

measure() {
	describe_machine >"$work/machine.json" || return
	if $has_paging; then
		run paging --dir "$work" ${options[@]+"${options[@]}"} || return
	fi
	if $has_remote; then
		run remote ${remote_options[@]+"${remote_options[@]}"} || return
	fi
	jq -s add "$work"/{machine,paging,remote}.json 2>/dev/null \
		>"$out/performance.json"
	[ -s "$out/performance.json" ]
}

# table FORM PART COLUMNS [GROUP]: right-aligned are the COLUMNS; only the rows
# of the GROUP.
table() {
	local form=$1 part=$2

	jq -r --arg form "$form" --arg part "$part" --arg group "${4-}" \
		-f "$root/tests/bench/table.jq" "$out/performance.json" |
		if [ "$form" = text ] && [ -n "${3-}" ]; then
			column -t -s "$(printf '\t')" -R "$3"
		else
			cat
		fi
}

tables() {
	table "$1" head
	if $has_paging; then
		echo
		table "$1" work 3,4,5,6,7,8,9,10,11,12,13
	fi
	if $has_remote; then
		echo
		table "$1" remote 3,4,5,6,7
	fi
}

# In docs/performance.md, what is between two markers is ours: a table for each
# question.
publish() {
	local page=$root/docs/performance.md name

	cp -- "$page" "$work/page" || return
	for name in machine no-disk new-memory in-order random many remote; do
		{ echo && case $name in
		machine)	table markdown head ;;
		remote)		table markdown remote ;;
		*)		table markdown work '' "$name" ;;
		esac && echo; } >"$work/table" || return
		sed -i -e "/^<!-- figures: $name -->/,/^<!-- end -->/ {
			/^<!-- /!d }" \
			-e "/^<!-- figures: $name -->/r $work/table" \
			"$work/page" || return
	done
	cp -- "$work/page" "$page" && say "published in docs/performance.md"
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
	! $has_paging || make_kernel_swap
	say "measuring; $out/performance.json is what comes of it"
	measure || code=$?
	if [ "$code" -ne 0 ]; then
		cat -- "$work"/{paging,remote}.json 2>/dev/null
		say "failed with status $code"
		exit "$code"
	fi
	tables "$form"
	[ -z "$json" ] || cp -- "$out/performance.json" "$json" || exit
	! $is_published || publish || exit
	say "$SECONDS s in all"
}

main "$@"
