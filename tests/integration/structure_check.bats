#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that the check of the structure finds what it is there for, in a tree
# of its own that has nothing wrong but what is planted: an include that goes
# up, circles of two and of three files, a function's name that occurs twice, a
# file that is too long, a call that belongs elsewhere.

bats_require_minimum_version 1.5.0

licence='/* SPDX-License-Identifier: MIT */'

# file PATH LINE...: a source file with these lines.
file() {
	local path=$1

	shift
	mkdir -p "$(dirname "$path")"
	printf '%s\n' "$licence" "$@" >"$path"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p common proto swapstore daemon client examples
	file common/units.h 'int units_parse(const char *text);'
	file common/units.c '#include "common/units.h"' '' \
		'int units_parse(const char *text)' '{' '	return 0;' '}'
	file daemon/net/conn.h '#include "common/units.h"'
	file daemon/net/conn.c '#include "daemon/net/conn.h"' '' \
		'static int open_it(void)' '{' '	return 0;' '}'
	file daemon/serve/session.h '#include "daemon/net/conn.h"'
}

check() {
	run "$BATS_TEST_DIRNAME/../structure.sh" "$PWD"
	echo "$output"
}

finds() {
	check
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
}

@test "a tree with nothing wrong" {
	check
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "an include that goes up" {
	file daemon/net/output.c '#include "daemon/serve/session.h"'
	finds 'goes up in the daemon: daemon/net/output.c includes daemon/serve/session.h'
	file daemon/net/output.c
	file proto/wire.c '#include "swapstore/store.h"'
	finds 'goes up in the daemon: proto/wire.c'
	file proto/wire.c
	file client/link/link.c '#include "client/fault/fault.h"'
	finds 'goes up in the client: client/link/link.c'
}

@test "what the product includes of its tests" {
	file common/units.h '#include "tests/model.h"'
	finds 'goes up'
}

@test "two files that include each other" {
	file daemon/net/output.h '#include "daemon/net/conn.h"'
	echo '#include "daemon/net/output.h"' >>daemon/net/conn.c
	finds 'includes in a circle: daemon/net/output'
}

@test "three files in a circle" {
	file daemon/net/a.c '#include "daemon/net/b.h"'
	file daemon/net/b.c '#include "daemon/net/c.h"'
	file daemon/net/c.h '#include "daemon/net/a.h"'
	finds 'includes in a circle: daemon/net/a'
}

@test "a function's name twice, also where it is static" {
	file daemon/net/output.c 'static int open_it(int a,' \
		'		   int b)' '{' '	return a + b;' '}'
	finds 'occurs twice: open_it: daemon/net/conn.c daemon/net/output.c'
}

@test "a name that is only declared or called twice is none" {
	echo 'int units_parse(const char *text);' >>daemon/net/conn.h
	check
	[ "$status" -eq 0 ]
}

@test "a file that is too long" {
	seq -f '/* %g */' 500 >>common/units.c
	finds 'longer than 500 lines: common/units.c'
}

@test "system calls that belong elsewhere" {
	echo '#include <openssl/ssl.h>' >>daemon/net/conn.c
	finds 'belongs elsewhere (docs/design.md): daemon/net/conn.c'
}
