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

# Licence lines, blanks, width, and the rooms.
check_structure() {
	tests/structure.sh
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
