/* SPDX-License-Identifier: MIT */
#include "tests/policy/reference.h"

#include "common/checks.h"

#include <math.h>
#include <stdlib.h>

/* What a pager that ages pages in the order of their last sign of use lets a
 * policy see. */
struct sight {
	/* Pages in the order in which they were mapped; a ring. */
	struct mapping {
		uint32_t page, serial;
	} *mapping;
	size_t first, count, room;
	uint32_t *serial;	/* of each page's last mapping; 0: unmapped */
	uint32_t last_serial;
	double due;		/* pages to age */
};

static void sight_init(struct sight *s, const struct trace *t)
{
	*s = (struct sight){
		.room = t->count,
		.mapping = calloc(t->count, sizeof(*s->mapping)),
		.serial = calloc(t->page_count, sizeof(*s->serial)),
	};
	ASSERT(s->mapping != NULL && s->serial != NULL);
}

static void sight_fini(struct sight *s)
{
	free(s->mapping);
	free(s->serial);
}

static void sight_map(struct sight *s, uint32_t page)
{
	s->serial[page] = ++s->last_serial;
	s->mapping[(s->first + s->count++) % s->room] =
		(struct mapping){ page, s->last_serial };
}

/* Age as many of the pages in memory as are due after one more miss. */
static void sight_age(struct sight *s, double ages,
		      const struct reference_policy *policy, const void *state)
{
	s->due += ages;
	while (s->due >= 1 && s->count != 0) {
		struct mapping m = s->mapping[s->first];

		s->first = (s->first + 1) % s->room;
		s->count--;
		if (s->serial[m.page] != m.serial)
			continue;
		s->serial[m.page] = 0;
		s->due -= policy->is_here(state, m.page);
	}
	s->due = fmin(s->due, 1);
}

uint64_t reference_run(const struct trace *t, uint32_t frames,
		       const struct reference_policy *policy, double ages)
{
	void *state = policy->start(t->page_count, frames);
	uint64_t misses = 0;
	struct sight s;

	sight_init(&s, t);
	for (size_t i = 0; i < t->count; i++) {
		uint32_t page = t->page[i];
		bool is_here = policy->is_here(state, page);

		if (is_here && s.serial[page] != 0 && !isinf(ages))
			continue;
		policy->use(state, page);
		misses += !is_here;
		if (isinf(ages))
			continue;
		sight_map(&s, page);
		if (!is_here)
			sight_age(&s, ages, policy, state);
	}
	sight_fini(&s);
	policy->end(state);
	return misses;
}
