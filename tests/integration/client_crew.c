/* SPDX-License-Identifier: MIT */
#include "tests/integration/client_crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void *work(void *arg)
{
	struct crew_member *m = arg;
	const struct crew *crew = m->crew;
	unsigned number = (unsigned)(m - crew->member), seed = number;
	uint32_t want[CREW_PAGES] = { 0 };

	for (uint32_t i = 1; i <= crew->rounds; i++) {
		size_t page = (size_t)rand_r(&seed) % CREW_PAGES;
		volatile uint32_t *word = (void *)(crew->p + page * 4096 +
						   number * 4);

		m->wrong += *word != want[page];
		want[page] = i;
		*word = i;
	}
	return NULL;
}

void crew_start(struct crew *crew, uint8_t *p, unsigned count, unsigned rounds)
{
	assert_true(count <= CREW_MAX);
	*crew = (struct crew){ .count = count, .rounds = rounds, .p = p };
	for (unsigned i = 0; i < count; i++) {
		crew->member[i].crew = crew;
		assert_int_equal(pthread_create(&crew->member[i].thread, NULL,
						work, &crew->member[i]), 0);
	}
}

void crew_join(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++) {
		pthread_join(crew->member[i].thread, NULL);
		assert_int_equal(crew->member[i].wrong, 0);
	}
}

static void *keep_evicting(void *arg)
{
	struct evictor *e = arg;

	while (!e->is_over) {
		fake_evict(e->fake);
		fake_age(e->fake);
	}
	return NULL;
}

void evictor_start(struct evictor *e, struct fake *fake)
{
	e->fake = fake;
	e->is_over = 0;
	assert_int_equal(pthread_create(&e->thread, NULL, keep_evicting, e), 0);
}

void evictor_stop(struct evictor *e)
{
	e->is_over = 1;
	pthread_join(e->thread, NULL);
}
