/* SPDX-License-Identifier: MIT */
#include "tests/policy/subject.h"

#include "daemon/replace/replace.h"

#include <stdlib.h>

enum { READERS = 8, RUN_LEAST = 8, GAP_MAX = 16 };

struct reader {
	uint32_t next, run;
};

struct subject {
	struct replace *policy;
	uint32_t *page;		/* in each frame */
	frame_id *frame;	/* of each page; 0: it is not in memory */
	bool *is_mapped;	/* each page */
	uint32_t *left;		/* replace_leave() of each page */
	frame_id used;		/* frames that were ever used */
	struct reader reader[READERS];
	unsigned reader_next;
	struct subject_result result;
};

static bool age(void *ctx, frame_id frame)
{
	struct subject *s = ctx;

	s->is_mapped[s->page[frame]] = false;
	s->result.aged++;
	return true;
}

static bool may_go(void *ctx, frame_id frame)
{
	const struct subject *s = ctx;

	return s->frame[s->page[frame]] == frame;
}

static frame_id evict(struct subject *s)
{
	struct replace_search search = { .looks_left = UINT32_MAX };
	frame_id frame = replace_next(s->policy, 0, &search);

	ASSERT(frame != 0);
	s->left[s->page[frame]] = replace_leave(s->policy, frame);
	replace_remove(s->policy, 1, frame);
	s->frame[s->page[frame]] = 0;
	s->is_mapped[s->page[frame]] = false;
	return frame;
}

/* A miss in order, by one of several readers: the pager would have read the
 * page ahead.  True if the reader has done so for a while. */
static bool is_in_stream(struct subject *s, uint32_t page)
{
	for (unsigned i = 0; i < READERS; i++) {
		struct reader *r = &s->reader[i];

		if (page - r->next >= GAP_MAX)
			continue;
		r->next = page + 1;
		r->run++;
		return r->run >= RUN_LEAST;
	}
	s->reader[s->reader_next] = (struct reader){ .next = page + 1 };
	s->reader_next = (s->reader_next + 1) % READERS;
	return false;
}

static void access_page(struct subject *s, uint32_t page, uint32_t frames)
{
	frame_id frame = s->frame[page];

	if (s->is_mapped[page])
		return;
	if (frame != 0) {
		s->result.touched++;
		replace_touch(s->policy, frame);
	} else {
		s->result.misses++;
		frame = s->used < frames ? ++s->used : evict(s);
		s->page[frame] = page;
		s->frame[page] = frame;
		replace_add(s->policy, 1, frame, s->left[page]);
		if (is_in_stream(s, page)) {
			replace_expect(s->policy, frame);
			replace_touch(s->policy, frame);
			replace_pass(s->policy, frame);
		}
	}
	s->is_mapped[page] = true;
}

struct subject_result subject_run(const struct trace *t, uint32_t frames,
				 const char *policy)
{
	static const struct replace_owner owner = { age, may_go };
	struct replace_config config = { .frame_count = frames,
					 .group_count = 1,
					 .policy = policy };
	struct subject s = {
		.page = calloc(frames + 1ul, sizeof(*s.page)),
		.frame = calloc(t->page_count, sizeof(*s.frame)),
		.is_mapped = calloc(t->page_count, sizeof(*s.is_mapped)),
		.left = calloc(t->page_count, sizeof(*s.left)),
	};

	ASSERT(s.page != NULL && s.frame != NULL && s.is_mapped != NULL &&
	       s.left != NULL);
	if (replace_create(&config, &owner, &s, &s.policy) != 0)
		abort();
	replace_group_add(s.policy, 1, 0);
	for (size_t i = 0; i < t->count; i++) {
		access_page(&s, t->page[i], frames);
		if (i % 100000 == 0)
			replace_check(s.policy, 0);
	}
	replace_check(s.policy, 0);
	replace_destroy(s.policy);
	free(s.page);
	free(s.frame);
	free(s.is_mapped);
	free(s.left);
	return s.result;
}
