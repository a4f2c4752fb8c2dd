#!/bin/bash
# SPDX-License-Identifier: MIT
# Breaks a rule of one-sided faults on purpose, and expects the simulator to
# find it: a simulator that finds nothing may look at nothing.
#
# Usage: breaks.sh BUILD_DIR COMPILER
# Each break changes one source, in a copy, and links it before the rest.
# Exit: 0 all were found, 1 one was not, 77 a tool is missing.
set -u

build=$1
cc=$2
command -v perl >/dev/null || { echo "skip: no perl"; exit 77; }
root=$(cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
objects=$build/tests/sim/CMakeFiles/pager_sim.dir
failed=0
seeds=1..600

# break_rule NAME FILE PERL: PERL changes the text of FILE.
break_rule() {
	local name=$1 file=$2 object=$work/broken.o others out

	perl -0pe "$3" "$root/$file" >"$work/broken.c"
	if cmp -s "$root/$file" "$work/broken.c"; then
		echo "$name: does not fit $file any more"
		failed=1
		return
	fi
	if ! "$cc" -std=gnu11 -D_GNU_SOURCE -O1 -w -fPIE -I "$root" \
		-I "$build" -c "$work/broken.c" -o "$object"; then
		failed=1
		return
	fi
	# What the break replaces is left out; an archive gives only what is
	# missing then.
	mapfile -t others < <(find "$objects" -name '*.o' \
		! -name "$(basename -- "$file").o")
	"$cc" -o "$work/sim" "$object" "${others[@]}" \
		"$build/daemon/pager/libmemd_pager.a" \
		"$build/daemon/replace/libmemd_replace.a" \
		"$build/tests/store/libstore_fault.a" \
		"$build/swapstore/libmemd_swapstore.a" \
		"$build/proto/libmemd_checksum.a" \
		"$build/common/libmemd_common.a" \
		-lxxhash -luring -lpthread || { failed=1; return; }
	out=$(MEMD_TEST_TIER=run "$work/sim" --seeds "$seeds" 2>&1)
	if out=$(grep -m 1 -E '^FAILED|: broken: ' <<<"$out"); then
		echo "$name: found: $out"
	else
		echo "$name: NOT FOUND in seeds $seeds"
		failed=1
	fi
}

# shellcheck disable=SC2016 # perl's
{
break_rule "the intent is opened after the entry was read" \
	client/fault/onesided.c \
	's/intent_word\(o->segment, o->page\);\n\n\tfor/intent_word(~0u, o->page);\n\n\tfor/;
	 s/(static void step_take\(struct onesided \*o\)\n\{)/$1\n\tatomic_store(&o->desk->intent[o->intent].word,\n\tintent_word(o->segment, o->page));/'
break_rule "memd does not look at the intents" daemon/serve/desk.c \
	's/(uint64_t open = 0;\n\n)/$1\treturn 0;\n/'
break_rule "the intent is closed before the page is installed" \
	client/fault/onesided.c \
	's/int err = (o->ops->install\([^;]*;)/int err;\n\n\tatomic_store(\&o->desk->intent[o->intent].word, 0);\n\terr = $1/; s/(o->step = ONESIDED_INSTALL;)/{ atomic_store(\&o->desk->intent[o->intent].word, 0); $1 }/'
break_rule "cells are not read before DONTNEED" daemon/serve/desk.c \
	's/(bool is_settled = true;\n\n)/$1\treturn true;\n/'
break_rule "the slot of an absent page is forgotten without a claim" \
	daemon/pager/claim.c \
	's/(\.asks_present = true,\n\t\};\n)/$1\treturn 0;\n/'
break_rule "an uncounted page is forgotten" daemon/pager/claim.c \
	's/claim\.present == 0/true/'
break_rule "a desk is taken over while threads go on" tests/sim/programs.c \
	's/pr->is_dying = true;/end(sim, pr), begin(sim, pr);/'
break_rule "a record is believed" daemon/serve/desk.c \
	's/(ret_record->segment != 0\)\n\t\tis_present = )[^;]*;/${1}1;/'
break_rule "the entry says RESIDENT before the page is back" \
	daemon/pager/write_back.c \
	's/(unsigned i = 0;\n\n\twhile \(b->page\[i\] != id\))/unsigned i = 0;\n\tif (sg->book) sg->book[page_index(sg, id)].state = 0;\n\n\twhile (b->page[i] != id)/'
break_rule "a checksum that disagrees is believed" client/fault/onesided.c \
	's/error == 0 && agrees\(o\)/error == 0/'
}
exit "$failed"
