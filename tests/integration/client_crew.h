/* SPDX-License-Identifier: MIT */
/* Threads of a client's test: a crew that works on the same pages at once and
 * compares, and an evictor that takes all pages out and ages them meanwhile. */
#ifndef MEMD_TESTS_CLIENT_CREW_H
#define MEMD_TESTS_CLIENT_CREW_H

#include "tests/integration/client_fake_daemon.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { CREW_PAGES = 128, CREW_MAX = 24 };

/* Each has a word of its own in every page. */
struct crew {
	unsigned count, rounds;
	uint8_t *p;			/* CREW_PAGES of 4 KiB */
	struct crew_member {
		struct crew *crew;
		pthread_t thread;
		uint64_t wrong;
	} member[CREW_MAX];
};

/* `count` threads, which change and compare a word `rounds` times each. */
void crew_start(struct crew *crew, uint8_t *p, unsigned count,
		unsigned rounds);
/* Wait for them: no word may have been wrong. */
void crew_join(struct crew *crew);

struct evictor {
	struct fake *fake;
	pthread_t thread;
	atomic_int is_over;
};

void evictor_start(struct evictor *e, struct fake *fake);
void evictor_stop(struct evictor *e);

#endif
