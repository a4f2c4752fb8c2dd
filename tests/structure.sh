#!/bin/bash
# SPDX-License-Identifier: MIT
# How the sources are laid out: who may include whom, and what every file has.
# Prints each finding with what it breaks; exit 1 when there is any.
#
# A room is a folder.  Rooms stand on floors, and includes go down: a file
# includes from its own room and from those listed before it.  A file is x.c
# together with x.h, and files do not include each other in a circle.
set -u

root=${1:-$(cd -- "$(dirname -- "$0")/.." && pwd)} || exit 1
cd -- "$root" || exit 1

# From the ground up.
daemon_rooms=(common proto swapstore daemon/replace daemon/pager
	daemon/config daemon/system
	daemon/stats daemon/backing daemon/findings daemon/engine
	daemon/segments daemon/net daemon/keeper daemon/serve daemon/lend
	daemon/admin daemon)
# What a library of the engine offers to that of programs, and the names of all
# settings, stand below.
client_rooms=(common proto daemon/engine/memd_engine.h client/include client/region
	client/link client/fault client daemon/config/config_keys.h
	client/memctl)

FILE_LINES_MAX=500

# All text files of ours; not build/, not .git, not the fuzzer's inputs.
text_files() {
	find . -path ./build -prune -o -path ./.git -prune -o \
		-path ./tests/fuzz/corpus -prune -o -type f \( "$@" \) -print |
		sort
}

product_files() {
	find common proto swapstore daemon client examples -name '*.[ch]' | sort
}

# report WHAT: prefix the findings on stdin; fail when there are any.
report() {
	! sed "s|^|$1: |" | grep .
}

# ---- what every file has

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

check_length() {
	# shellcheck disable=SC2016 # awk's
	product_files | xargs awk -v most="$FILE_LINES_MAX" '
		FNR == most + 1 { print FILENAME }' |
		report "longer than $FILE_LINES_MAX lines"
}

# ---- who includes whom

# includes [FOLDER...]: a line "FILE INCLUDED" for each include of ours.
includes() {
	find "$@" -name '*.[ch]' -print0 | sort -z | xargs -0 grep -HE \
		'^#include "(common|proto|swapstore|daemon|client|tests)/' |
		sed -E 's/^([^:]*):#include "([^"]*)".*/\1 \2/'
}

# floors NAME ROOM...: of the lines on stdin, those that go up.
floors() {
	local name=$1

	shift
	# The room of a path is the longest that it begins with.
	# shellcheck disable=SC2016 # awk's
	awk -v rooms="$*" 'BEGIN { count = split(rooms, room, " ") }
		function floor_of(path,    i, best, length_of_best) {
			for (i = 1; i <= count; i++)
				if ((path == room[i] ||
				     index(path, room[i] "/") == 1) &&
				    length(room[i]) > length_of_best) {
					best = i
					length_of_best = length(room[i])
				}
			return best
		}
		{ to = floor_of($2) }
		to == 0 || to > floor_of($1) { print $1 " includes " $2 }' |
		report "goes up in $name"
}

check_floors() {
	local result=0

	includes common proto swapstore daemon |
		floors "the daemon" "${daemon_rooms[@]}" || result=1
	includes client | floors "the client" "${client_rooms[@]}" || result=1
	return "$result"
}

check_circles() {
	includes common proto swapstore daemon client |
		sed -E 's/\.[ch]( |$)/\1/g' | awk '$1 != $2' |
		tsort 2>&1 >/dev/null | sed -n 's/^tsort: //p' |
		sed 's/^-: input contains a loop:$/(one circle)/' |
		report "includes in a circle"
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

check_edges() {
	local result=0

	only '<liburing' swapstore/store_uring.c 'client/fault/own_faults.[ch]' ||
		result=1
	only '<event2?/' 'daemon/*.[ch]' || result=1
	only '<openssl/' 'proto/channel*.[ch]' || result=1
	only 'ioctl\(.*UFFDIO_' client/region/uffd.c daemon/backing/alias.c \
		daemon/keeper/askers.c || result=1
	only '\b(splice\(|FALLOC_FL_PUNCH_HOLE)' \
		daemon/backing/capture_pipes.c \
		daemon/backing/punch_helper.c || result=1
	return "$result"
}

# ---- names

# Functions that are defined, static ones too: "NAME FILE".  A definition is a
# line that begins in the first column and has a parenthesis, and a brace in the
# first column after it.
functions() {
	# shellcheck disable=SC2016 # awk's
	product_files | xargs awk '
		FNR == 1 { head = "" }
		/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { head = $0 }
		/^[{]/ && head != "" {
			gsub(/PRINTF_LIKE\([^)]*\)|__attribute__\(\(.*\)\)/,
			     "", head)
			sub(/\(.*/, "", head)
			sub(/.*[ *]/, "", head)
			print head, FILENAME
			head = ""
		}
		/^[A-Za-z_}].*;[ \t]*$/ { head = "" }'
}

check_names() {
	# Each program has a main(), and examples stand alone.
	# shellcheck disable=SC2016 # awk's
	functions | grep -v " examples/" | awk '$1 != "main" {
			where[$1] = where[$1] " " $2
			count[$1]++
		}
		END { for (name in count)
			if (count[name] > 1)
				print name ":" where[name] }' |
		sort | report "a function's name occurs twice"
}

result=0
check_licence_lines || result=1
check_blanks || result=1
check_width || result=1
check_length || result=1
check_floors || result=1
check_circles || result=1
check_edges || result=1
check_names || result=1
exit "$result"
