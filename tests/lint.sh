#!/bin/bash
# SPDX-License-Identifier: MIT
# Static checks of the sources; any finding fails.  Needs a configured and
# built build/dev, for compile_commands.json and the generated headers.  Builds
# and changes nothing.
#
# Exit: 0 no findings, 1 findings, 77 a tool is missing (said why).
set -u

root=$(cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
cd -- "$root" || exit 1
build_dir=${MEMD_LINT_BUILD:-build/dev}

all_checks=(clang-tidy cppcheck shellcheck man structure)

usage() {
	cat <<-END
	usage: tests/lint.sh [CHECK...]

	Checks (default: all):
	  clang-tidy   .clang-tidy over our C files (slow)
	  cppcheck     warnings, performance and portability over our C files
	  shellcheck   all shell scripts
	  man          manual pages, with mandoc
	  structure    licence lines, blanks, width, and who may include what

	MEMD_LINT_BUILD=DIR  a build folder other than build/dev
	END
}

skip() {
	echo "skip: $*"
	exit 77
}

need_tool() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

need_build() {
	[ -e "$build_dir/compile_commands.json" ] ||
		skip "$build_dir is not configured: cmake --preset dev"
}

# Our C files that are part of the product, not of its tests.
product_sources() {
	find common proto swapstore daemon client examples -name '*.c' | sort
}

# All text files of ours; not build/, not .git, not the fuzzer's inputs.
text_files() {
	find . -path ./build -prune -o -path ./.git -prune -o \
		-path ./tests/fuzz/corpus -prune -o -type f \( "$@" \) -print |
		sort
}

check_clang_tidy() {
	local compiled

	need_tool clang-tidy
	need_build
	# Only what is compiled: clang-tidy would guess the flags of the rest.
	compiled=$(product_sources | while read -r file; do
		grep -qF "\"$root/$file\"" "$build_dir/compile_commands.json" &&
			printf '%s\n' "$file"
	done)
	[ -n "$compiled" ] || skip "$build_dir compiles none of our files"
	# Names each file as it goes; -quiet still counts hidden findings.
	# shellcheck disable=SC2016 # the inner shell's
	xargs -P "$(nproc)" -I{} sh -c 'echo "$2"
		clang-tidy --quiet -p "$1" "$2"' sh "$build_dir" {} \
		<<<"$compiled" 2> >(grep -vE '^[0-9]+ warnings? ' >&2)
}

# Without the headers of the system and of protoc-c, save the one that makes
# declarations: cppcheck knows libc, and takes what it does not know for
# harmless.
check_cppcheck() {
	local queue_h

	need_tool cppcheck
	queue_h=$(echo '#include <sys/queue.h>' | cc -E -x c - |
		sed -n 's|^# 1 "\(/.*/queue\.h\)".*|\1|p')
	product_sources | cppcheck --quiet --std=c11 --language=c \
		--enable=warning,performance,portability --inline-suppr \
		--suppress=preprocessorErrorDirective --error-exitcode=1 \
		-j "$(nproc)" \
		-D_GNU_SOURCE -D__linux__ -D__x86_64__ --include="$queue_h" \
		'-DHASH_ITER(hh,head,el,tmp)=for (; el != tmp;)' \
		-I . -I client/include --file-list=-
}

check_shellcheck() {
	local result=0

	need_tool shellcheck
	text_files -name '*.sh' -o -path './.ci/run' |
		xargs -r shellcheck || result=1
	# bats stops a test at the first command that fails, and its tests
	# are subshells.
	text_files -name '*.bats' | xargs -r shellcheck --severity=warning \
		--exclude=SC2013,SC2030,SC2031,SC2046,SC2164 || result=1
	return "$result"
}

check_man() {
	local pages

	need_tool mandoc
	pages=$(text_files -path '*/man/*.[1-8]' -o -path '*/man/*.[1-8].in')
	[ -n "$pages" ] || skip "no manual pages"
	xargs mandoc -T lint -W warning <<<"$pages"
}

# report WHAT: prefix the findings on stdin; fail when there are any.
report() {
	! sed "s|^|$1: |" | grep .
}

check_licence_lines() {
	text_files -name '*.[ch]' -o -name '*.sh' -o -name '*.proto' -o \
		-name '*.bats' -o -name CMakeLists.txt -path './CMakeLists.txt' |
		while read -r file; do
			head -n 3 "$file" | grep -q SPDX-License-Identifier ||
				echo "$file"
		done | report "no SPDX line"
}

check_blanks() {
	text_files -name '*.[ch]' -o -name '*.sh' -o -name '*.md' -o \
		-name '*.txt' -o -name '*.proto' -o -name '*.bats' |
		xargs grep -nE '[[:blank:]]+$' | report "trailing blanks"
}

# With tabs of 8; the second and further bytes of a character have no width.
check_width() {
	# shellcheck disable=SC2016 # awk's
	text_files -name '*.[ch]' | LC_ALL=C xargs awk '{
		gsub(/[\200-\277]/, "")
		count = split($0, part, "\t")
		width = length(part[1])
		for (i = 2; i <= count; i++)
			width = int(width / 8 + 1) * 8 + length(part[i])
		if (width > 80)
			print FILENAME ":" FNR }' |
		report "wider than 80 columns"
}

# only PATTERN WHERE...: no C file but those (find patterns) has a line that
# matches PATTERN.
only() {
	local pattern=$1 allowed=() where

	shift
	for where; do
		allowed+=(! -path "$where")
	done
	find common proto swapstore daemon client examples -name '*.[ch]' \
		"${allowed[@]}" -print0 | xargs -0 -r grep -nE "$pattern" |
		report "belongs elsewhere (docs/design.md)"
}

# layer FOLDER ALLOWED...: files in FOLDER include only from ALLOWED.
layer() {
	local folder=$1 joined

	shift
	joined=$(IFS='|'; echo "$*")
	grep -rnE --include='*.[ch]' \
		'^#include "(common|proto|swapstore|daemon|client|tests)/' \
		"$folder" | grep -vE "#include \"($joined)[/\"]" |
		report "breaks the order of layers"
}

check_structure() {
	local result=0

	check_licence_lines || result=1
	check_blanks || result=1
	check_width || result=1
	only '<liburing' swapstore/store_uring.c || result=1
	only '<event2?/' 'daemon/*.[ch]' || result=1
	only '<openssl/' 'proto/channel*.[ch]' || result=1
	only 'ioctl\(.*UFFDIO_' client/region/uffd.c daemon/backing/alias.c \
		daemon/keeper/keeper_process.c ||
		result=1
	only '\b(splice\(|FALLOC_FL_PUNCH_HOLE)' \
		daemon/backing/capture_pipes.c \
		daemon/backing/punch_helper.c || result=1
	layer common common || result=1
	layer proto common proto || result=1
	layer swapstore common proto swapstore || result=1
	layer daemon/pager common proto swapstore daemon/pager || result=1
	layer daemon common proto swapstore daemon || result=1
	# What a library of the engine offers to that of programs, and the names
	# of all settings.
	layer client/region common proto client/region || result=1
	layer client/link common proto client/region client/link \
		daemon/embedded.h || result=1
	layer client/fault common proto client/region client/link \
		client/fault client/include daemon/embedded.h || result=1
	layer client common proto client daemon/embedded.h \
		daemon/config/config_keys.h || result=1
	return "$result"
}

run_check() {
	case $1 in
	clang-tidy)	check_clang_tidy ;;
	cppcheck)	check_cppcheck ;;
	shellcheck)	check_shellcheck ;;
	man)		check_man ;;
	structure)	check_structure ;;
	*)		usage >&2; exit 2 ;;
	esac
}

main() {
	local check code result=0

	case ${1-} in
	-h | --help)	usage; exit 0 ;;
	esac
	[ $# -gt 0 ] || set -- "${all_checks[@]}"
	for check; do
		(run_check "$check")
		code=$?
		case $code in
		0)	echo "$check: no findings" ;;
		2)	exit 2 ;;
		77)	[ $# -eq 1 ] && exit 77 ;;
		*)	echo "$check: FAILED"; result=1 ;;
		esac
	done
	exit "$result"
}

main "$@"
