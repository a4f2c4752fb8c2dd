/* SPDX-License-Identifier: MIT */
/* Neighbours (bystander.h) that ask memd for as much as it lets them.  Each
 * counts as its work the pages that it was served, or the messages, or the
 * rings. */
#ifndef MEMD_TESTS_HOSTILE_CLIENT_H
#define MEMD_TESTS_HOSTILE_CLIENT_H

#include "tests/integration/bystander.h"

enum {
	HOSTILE_RANGE = 32768,		/* pages: 128 MiB */
	HOSTILE_HELD = 1000,		/* sessions */
	HOSTILE_SEGMENTS = 4000,
};

/* Not hostile: as busy as one can be who faults in what it has. */
neighbour_life harmless_faults;

/* Faults, of which each needs a page of its own to leave. */
neighbour_life hostile_smallest_limit;

/* A range of HOSTILE_RANGE pages at once. */
neighbour_life hostile_pin, hostile_unpin, hostile_drop, hostile_page_out;
/* All these pages go with their segment: its session ends, it is unlinked, it
 * is unmapped. */
neighbour_life hostile_go, hostile_unlink, hostile_unmap;

/* Sessions that come and go; beside HOSTILE_HELD that stay. */
neighbour_life hostile_sessions, hostile_many_sessions;
/* Pins that come and go; unpinning what is not pinned, where as many pins as a
 * session may have are. */
neighbour_life hostile_pins, hostile_vain_unpins;
/* Many pages that it says it has touched; faults of pages that are there, many
 * at once. */
neighbour_life hostile_touched, hostile_fault_hits;
/* A bell that is always full, of a mailbox in which nothing is asked. */
neighbour_life hostile_rings;
/* HOSTILE_SEGMENTS that are mapped; unmapped; that go with their session; names
 * that nothing has, where so many have one. */
neighbour_life hostile_map_segments, hostile_unmap_segments,
	hostile_go_with_segments, hostile_names;

#endif
