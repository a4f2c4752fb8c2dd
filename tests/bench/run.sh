#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures memd beside the kernel's own swap, in one run, on one disk, under one
# limit, and the memory of another host beside bare TCP; and one build of memd
# beside another.  Writes JSON and tables, and prints the tables.  What it makes
# (swap file, cgroups, zram, processes, a changed vm.page-cluster) is gone when
# it ends, however it ends.
#
# Builds build/bench first.  Exit status: that of the benchmark (0: all bytes
# were right).
set -u

root=$(cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
# shellcheck source=tests/waiting.sh
. "$root/tests/waiting.sh"
build=$root/build/bench
out='' parent=${TMPDIR:-/var/tmp} against='' cpus=all
is_built=true is_published=false has_paging=true has_remote=true
options=() remote_options=()
work='' running=() group='' cpuset='' zram=''
traced=() on_one=()		# prefixes of commands
left_out=()			# who, and why

usage() {
	cat <<-END
	usage: tests/bench/run.sh [OPTION...] [OPTION OF paging...]

	  --quick          small sizes, one run: a first look, in five minutes
	  --smoke          smaller yet, without remote: does it work?
	  --only LIST      some of it: remote, and works, by their names
	  --cpus WHICH     processors for program, daemon and library: all, one,
	                   or both in turn (all)
	  --against FOLDER in turn with the memd and libmemclient built there:
	                   what does this build take, divided by what that takes
	  --out FOLDER     where the results go (build/bench): performance.txt,
	                   .md and .json, and runs.json with a line for each run
	  --publish        put the tables into docs/performance.md
	  --dir FOLDER     where swap files go, on a disk (\$TMPDIR or /var/tmp)
	  --build FOLDER   measure what was built there, build nothing

	paging --help names more, such as --on=inline,kernel-3 or --repeat=9.
	As an ordinary user the kernel's swap is left out; the output says so.
	END
}

# choose LIST: paging does not know `remote`.
choose() {
	[[ ,$1, == *,remote,* ]] || has_remote=false
	[ "$1" != remote ] || has_paging=false
	options+=(--only "$(tr , '\n' <<<"$1" | grep -vx remote | paste -sd,)")
}

parse_options() {
	local missing="a value is missing: $*"

	while [ $# -gt 0 ]; do
		case $1 in
		--quick)	options+=(--quick)
				remote_options+=(--quick) ;;
		--smoke)	options+=(--smoke); has_remote=false ;;
		--only)		choose "${2?$missing}"; shift ;;
		--cpus)		cpus=${2?$missing}; shift ;;
		--against)	against=$(cd -- "${2?$missing}" && pwd) ||
					exit 64
				shift ;;
		--out)		out=${2?$missing}; shift ;;
		--publish)	is_published=true ;;
		--dir)		parent=${2?$missing}; shift ;;
		--build)	build=$(cd -- "${2?$missing}" && pwd) || exit 64
				is_built=false; shift ;;
		--help | -h)	usage; exit 0 ;;
		*)		options+=("$1") ;;
		esac
		shift
	done
	case $cpus in
	all | one)	;;
	both)		cpus='all one' ;;
	*)		usage >&2; exit 64 ;;
	esac
}

say() {
	printf '== %s\n' "$*" >&2
}

give_up() {
	say "$@"; exit 1
}

build_release() {
	say "building $build"
	(cd -- "$root" && cmake --preset bench &&
		cmake --build --preset bench --target memd paging remote) \
		>"$work/log" 2>&1 || give_up "$(tail -n 40 "$work/log")"
}

# ---- what is made

leave_out() {
	left_out+=("left out: $*")
	say "left out: $*"
}

# make_cgroup CONTROLLER VARIABLE: a cgroup of version 1 or 2, whose folder goes
# to the variable.  A controller is in one hierarchy only.
make_cgroup() {
	local mount

	mount=$(awk -v controller="$1" '
		$3 == "cgroup2" { two = $2 }
		$3 == "cgroup" && ("," $4 ",") ~ "," controller "," { one = $2 }
		END { print one ? one : two }' /proc/self/mounts)
	[ -n "$mount" ] && mkdir "$mount/memd-bench-$1.$$" || return
	printf -v "$2" %s "$mount/memd-bench-$1.$$"
	[ ! -e "$mount/cgroup.subtree_control" ] ||
		echo "+$1" >"$mount/cgroup.subtree_control"
}

make_cpuset() {
	make_cgroup cpuset cpuset || return
	# Version 1 wants both.
	[ ! -e "$cpuset/../cpuset.mems" ] ||
		cat "$cpuset/../cpuset.mems" >"$cpuset/cpuset.mems" || return
	echo "$1" >"$cpuset/cpuset.cpus"
}

# taskset alone would not do: the library's thread, which must not stay where
# its starter was pinned to, takes every processor of the cpuset.
confine() {
	local cpu

	cpu=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	make_cpuset "$cpu" 2>"$work/why" || leave_out one processor for \
		"the library's threads: no cpuset: $(tail -n 1 "$work/why")"
	# shellcheck disable=SC2016 # the inner shell's
	on_one=(taskset -c "$cpu" sh -c '[ ! -d "$0" ] ||
		echo $$ >"$0/cgroup.procs"; exec "$@"' "$cpuset")
}

# The numbers of tracepoints are in a file system that is not mounted
# everywhere.  Nobody else sees this mount.
find_tracepoints() {
	# shellcheck disable=SC2016 # the inner shell's
	[ -d /sys/kernel/tracing/events ] || ! unshare -m true 2>/dev/null ||
		traced=(unshare -m sh -c 'mount -t tracefs tracefs \
			/sys/kernel/tracing 2>/dev/null; exec "$@"' sh)
}

# make_group MIB: the cgroup and its limit.
make_group() {
	local file=memory.limit_in_bytes

	[ "$(id -u)" -eq 0 ] || { echo "it needs root" >&2; return 1; }
	make_cgroup memory group || return
	ln -s "$group" "$work/group"
	[ ! -e "$group/memory.max" ] || file=memory.max
	echo "$1M" >"$group/$file"
}

# make_area NAME FILE: a swap area that can be switched on.
make_area() {
	mkswap "$2" && swapon "$2" && swapoff "$2" && ln -s "$2" "$work/$1"
}

make_swap_file() {
	fallocate -l "$1M" "$work/swap" && chmod 600 "$work/swap" &&
		make_area kernel.swap "$work/swap"
}

# To read hot_add is to make one.
make_zram() {
	zram=zram$(cat /sys/class/zram-control/hot_add) ||
		{ zram=''; return 1; }
	echo "$1M" >"/sys/block/$zram/disksize" && make_area zram "/dev/$zram"
}

make_kernel_swap() {
	local room limit

	read -r room limit < <("$build/tests/bench/paging" --room \
		"${options[@]}") || exit
	if ! make_group "$limit" 2>"$work/why"; then
		leave_out "the kernel's swap: $(tail -n 1 "$work/why")"
		return
	fi
	make_swap_file "$room" >/dev/null 2>"$work/why" ||
		leave_out "swap to a file: $(tail -n 1 "$work/why")"
	make_zram "$room" >/dev/null 2>"$work/why" ||
		leave_out "zram: $(tail -n 1 "$work/why")"
}

# ---- leaving nothing behind

# switch_off AREA: if the benchmark was ended before it could.  Pages of those
# that still end do not come out of it at once.
switch_off() {
	! grep -q "^$1 " /proc/swaps ||
		wait_until "all to be out of $1" swapoff "$1"
}

finish() {
	local pid folder

	trap '' INT TERM HUP
	[ "${#running[@]}" -eq 0 ] || kill "${running[@]}" 2>/dev/null
	for pid in "${running[@]}"; do
		wait_gone "$pid" 'the benchmark to end'
	done
	[ -n "$work" ] || return
	switch_off "$work/swap"
	if [ -n "$zram" ]; then
		switch_off "/dev/$zram"
		echo 1 >"/sys/block/$zram/reset" &&
			echo "${zram#zram}" >/sys/class/zram-control/hot_remove
	fi
	[ -z "$group" ] || echo "$cluster" >/proc/sys/vm/page-cluster
	for folder in $group $cpuset; do
		wait_until "the processes in $folder to end" rmdir "$folder"
	done
	rm -rf --one-file-system -- "$work"
}

prepare() {
	local name

	exec </dev/null
	export LC_ALL=C.UTF-8
	for name in jq column; do
		command -v "$name" >/dev/null ||
			give_up "$name is not installed"
	done
	[ "$(stat -fc %T "$parent")" != tmpfs ] ||
		give_up "$parent is a tmpfs: choose a folder on a disk (--dir)"
	# memd is configured by MEMD_* too; not by those of our caller.
	unset "${!MEMD_@}"
	: "${out:=$root/build/bench}"
	mkdir -p -- "$out" && out=$(cd -- "$out" && pwd) || exit 1
	cluster=$(cat /proc/sys/vm/page-cluster 2>/dev/null)
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	work=$(mktemp -d "$parent/memd-run-XXXXXX") || exit 1
	[ "$cpus" = all ] || confine
	find_tracepoints
}

# ---- measuring

describe_machine() {
	jq -nc --arg kernel "$(uname -r | grep -o '^[0-9.]*')" \
		--argjson cpus "$(getconf _NPROCESSORS_ONLN)" \
		--argjson memory_mib "$(awk '/^MemTotal/ {
			print int($2 / 1024) }' /proc/meminfo)" \
		--arg filesystem "$(findmnt -no FSTYPE -T "$work")" \
		--argjson load "$(cut -d ' ' -f 1 /proc/loadavg)" \
		'{ machine: { $kernel, $cpus, $memory_mib, $filesystem,
		$load } }'
	printf '%s\n' "${left_out[@]}" |
		jq -Rc 'select(. != "") | { left_out: . }'
}

# start CPUS NAME COMMAND...: in the background; what it says goes to NAME.json.
start() {
	local prefix=() file=$work/$2.json

	[ "$1" = all ] || prefix=("${on_one[@]}")
	shift 2
	TMPDIR=$work timeout -k 300 12h "${prefix[@]}" "$@" >"$file" &
	running+=("$!")
}

# Who fails makes all after it fail, and so the last.
await_all() {
	local idx

	for ((idx = ${#running[@]} - 1; idx >= 0; idx--)); do
		wait "${running[idx]}" || return
	done
	running=()
}

# One program for each build and each choice of processors.  They work in turn
# (paging.c).  The kernel's swap is no part of a build.
run_paging() {
	local names=() name idx=0 next folder token environment

	for name in $cpus; do
		names+=("this $name")
		[ -z "$against" ] || names+=("other $name")
	done
	[ -z "$against" ] || LD_LIBRARY_PATH=$against/client ldd \
		"$build/tests/bench/paging" | grep -qF " $against/client/" ||
		give_up "there is no libmemclient in $against/client"
	mkdir "$work/other" && mkfifo "$work"/turn.{0..3} || return
	for name in "${names[@]}"; do
		folder=$work next=$(((idx + 1) % ${#names[@]})) environment=()
		if [ "${name% *}" = other ]; then
			folder=$work/other
			environment=("LD_LIBRARY_PATH=$against/client"
				"MEMD_BIN=$against/daemon/memd")
		fi
		start "${name#* }" $idx env "${environment[@]}" \
			"${traced[@]}" \
			"$build/tests/bench/paging" --dir "$folder" \
			--turn "$work/turn.$idx,$work/turn.$next" \
			"${options[@]}"
		idx=$((idx + 1))
	done
	exec {token}>"$work/turn.0"
	printf . >&"$token"
	await_all || return
	exec {token}>&-
	for ((idx = 0; idx < ${#names[@]}; idx++)); do
		name=${names[idx]}
		jq -c --arg build "${name% *}" --arg cpus "${name#* }" \
			'(.run, .settings | values) += { $build, $cpus }' \
			"$work/$idx.json" >>"$out/runs.json" || return
	done
}

run_remote() {
	start "${cpus%% *}" remote "$build/tests/bench/remote" \
		"${remote_options[@]}"
	await_all && cat "$work/remote.json" >>"$out/runs.json"
}

measure() {
	describe_machine >"$out/runs.json" || return
	! $has_paging || run_paging || return
	! $has_remote || run_remote || return
	jq -n -f "$root/tests/bench/gather.jq" "$out/runs.json" \
		>"$out/performance.json"
}

# ---- tables

# table FORM PART [GROUP]: only the rows of the GROUP.
table() {
	jq -r --arg form "$1" --arg part "$2" --arg group "${3-}" \
		-f "$root/tests/bench/table.jq" "$out/performance.json" |
		case $1,$2 in
		*,head | *,foot | markdown,*)
				cat ;;
		*,counts)	column -t -s $'\t' -R "$(seq -s , 4 30)" ;;
		*)		column -t -s $'\t' -R "$(seq -s , 3 30)" ;;
		esac
}

# tables FORM: all there are.
tables() {
	local part

	table "$1" head
	for part in $(jq -r '{ work: .results, counts: .results, against,
		remote } | to_entries[] | select(.value != []).key' \
		"$out/performance.json"); do
		echo
		table "$1" "$part"
	done
	echo
	table "$1" foot
}

# In docs/performance.md, what is between two markers is ours: a table for each
# question.
publish() {
	local page=$root/docs/performance.md name

	cp -- "$page" "$work/page" || return
	for name in machine no-disk new-memory in-order random programs many \
		one-cpu remote; do
		{ echo && case $name in
		machine)	table markdown head; table markdown foot ;;
		remote)		table markdown remote ;;
		*)		table markdown work "$name" ;;
		esac && echo; } >"$work/table" || return
		sed -i -e "/^<!-- figures: $name -->/,/^<!-- end -->/ {
			/^<!-- /!d }" \
			-e "/^<!-- figures: $name -->/r $work/table" \
			"$work/page" || return
	done
	cp -- "$work/page" "$page" && say "published in docs/performance.md"
}

main() {
	local code

	parse_options "$@"
	! $is_published || { $has_paging && $has_remote; } ||
		give_up "only all of it is published"
	prepare
	! $is_built || build_release
	! $has_paging || make_kernel_swap
	say "measuring; the results go to $out"
	measure || { code=$?; grep -hv '^{' "$work"/*.json; exit "$code"; }
	tables markdown >"$out/performance.md"
	tables text | tee "$out/performance.txt"
	! $is_published || publish || exit
	say "$SECONDS s in all"
}

main "$@"
