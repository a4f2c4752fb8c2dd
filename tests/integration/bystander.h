/* SPDX-License-Identifier: MIT */
/* A client that does nothing but fault, one page after the other (the
 * bystander), beside another that lives in a process of its own (the
 * neighbour), and how long it waited for each page.
 *
 * The times say how this machine was at that moment, and are for people.  What
 * a test may rely on is how much the neighbour got done for each answer that
 * the bystander got. */
#ifndef MEMD_TESTS_BYSTANDER_H
#define MEMD_TESTS_BYSTANDER_H

#include "tests/integration/daemon_client.h"
#include <stdatomic.h>

enum {
	BYSTANDER_SAMPLES = 2000,	/* in a watch; tier quick: a tenth */
	BYSTANDER_WATCHES = 3,		/* that there is room for */
	BYSTANDER_PAGES = BYSTANDER_SAMPLES * BYSTANDER_WATCHES + 1,
};

struct bystander {
	int fd;
	uint32_t segment;
	uint64_t page;			/* the next that was never touched */
};

/* In memory that the two processes share. */
struct neighbour {
	const struct testmemd *memd;
	unsigned rounds_left;
	_Atomic bool is_on;		/* what it is here for is under way */
	_Atomic bool must_end;
	_Atomic uint64_t work;		/* done so far: pages, or messages */
	_Atomic uint64_t seen_between;	/* how often it saw it half done */
};

/* What a neighbour does until neighbour_goes_on() says no.  A failed assertion
 * in it ends its process, and then fails the test. */
typedef void neighbour_life(struct neighbour *nb);

bool neighbour_goes_on(struct neighbour *nb);
/* Around what is to be watched; `work` of it has been done. */
void neighbour_begin(struct neighbour *nb);
void neighbour_end(struct neighbour *nb, uint64_t work);

/* Wait until a gauge, which comes from `from` or above, is at `to` or below, or
 * the other way round.  Whoever sees it between the two has seen that memd
 * takes turns at it. */
void neighbour_await_gauge(struct neighbour *nb, int admin, const char *name,
			   uint64_t from, uint64_t to);

/* How long the bystander waited, and what its neighbour did meanwhile. */
struct waits {
	uint64_t count;			/* answers */
	uint64_t p50_ns, p99_ns;
	uint64_t work, seen_between;
};

/* A new session. */
void bystander_open(struct bystander *bs, const struct testmemd *tm);
/* Close it, and wait until its pages are gone. */
void bystander_close(struct bystander *bs, int admin);

/* Watch so many faults, or as many as there are while the neighbour
 * is at it in all its `rounds`.  live: NULL: alone. */
struct waits bystander_watch(struct bystander *bs, const struct testmemd *tm,
			     neighbour_life *live, unsigned rounds);

#endif
