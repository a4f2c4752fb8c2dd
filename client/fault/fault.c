/* SPDX-License-Identifier: MIT */
/* The table of faults: see fault.h. */
#include "client/fault/fault.h"

#include <string.h>

enum {
	DELAY_FIRST_NS = 1000000,
	DELAY_DOUBLINGS = 6,		/* at most 64 ms */
};

static const unsigned fault_next_states[FAULT_STATES] = {
	[FAULT_FREE] = BIT(FAULT_WANTED),
	[FAULT_WANTED] = BIT(FAULT_ASKED) | BIT(FAULT_READING) |
			 BIT(FAULT_LATE) | BIT(FAULT_FREE),
	[FAULT_ASKED] = BIT(FAULT_WANTED) | BIT(FAULT_DELAYED) |
			BIT(FAULT_LATE) | BIT(FAULT_FREE),
	[FAULT_DELAYED] = BIT(FAULT_WANTED) | BIT(FAULT_LATE) |
			  BIT(FAULT_FREE),
	[FAULT_READING] = BIT(FAULT_WANTED) | BIT(FAULT_FREE),
	[FAULT_LATE] = BIT(FAULT_FREE),
};

static void fault_enter(struct faults *fs, struct fault *f,
			enum fault_state next)
{
	ASSERT(fault_next_states[f->state] & BIT(next));
	TAILQ_REMOVE(&fs->list[f->state], f, link);
	fs->count[f->state]--;
	f->state = next;
	TAILQ_INSERT_TAIL(&fs->list[next], f, link);
	fs->count[next]++;
}

void faults_init(struct faults *fs)
{
	memset(fs, 0, sizeof(*fs));
	for (unsigned s = 0; s < FAULT_STATES; s++)
		TAILQ_INIT(&fs->list[s]);
	for (size_t i = 0; i < FAULTS_MAX; i++)
		TAILQ_INSERT_TAIL(&fs->list[FAULT_FREE], &fs->fault[i], link);
	fs->count[FAULT_FREE] = FAULTS_MAX;
	fs->next_ns = UINT64_MAX;
}

static struct fault_bucket *page_bucket(struct faults *fs,
					const struct region *r, uint64_t page)
{
	uint64_t key = (page << 16 | r->idx) * UINT64_C(0x9E3779B97F4A7C15);

	return &fs->bucket[key >> 40 & (FAULT_BUCKETS - 1)];
}

struct fault *faults_find(struct faults *fs, const struct region *r,
			  uint64_t page)
{
	struct fault *f;

	SLIST_FOREACH(f, page_bucket(fs, r, page), bucket_link)
		if (f->region == r && f->page == page)
			return f;
	return NULL;
}

struct fault *faults_add(struct faults *fs, struct region *r, uintptr_t address,
			 uint64_t deadline_ns)
{
	uint64_t page = region_page_at(r, address);
	struct fault *f = TAILQ_FIRST(&fs->list[FAULT_FREE]);

	if (f == NULL)
		return NULL;
	ASSERT(faults_find(fs, r, page) == NULL);
	f->region = r;
	f->page = page;
	f->address = address;
	f->request_id = 0;
	f->own = NULL;
	f->deadline_ns = deadline_ns;
	f->try_count = 0;
	f->is_write = false;
	f->was_answered = false;
	SLIST_INSERT_HEAD(page_bucket(fs, r, page), f, bucket_link);
	fault_enter(fs, f, FAULT_WANTED);
	fs->next_ns = MIN(fs->next_ns, deadline_ns);
	return f;
}

void faults_remove(struct faults *fs, struct fault *f)
{
	SLIST_REMOVE(page_bucket(fs, f->region, f->page), f, fault,
		     bucket_link);
	fault_enter(fs, f, FAULT_FREE);
	f->region = NULL;
}

void fault_enter_asked(struct faults *fs, struct fault *f, uint64_t request_id)
{
	f->request_id = request_id;
	fault_enter(fs, f, FAULT_ASKED);
}

void fault_enter_wanted(struct faults *fs, struct fault *f)
{
	f->own = NULL;
	fault_enter(fs, f, FAULT_WANTED);
}

void fault_enter_reading(struct faults *fs, struct fault *f,
			 struct own_fault *own)
{
	f->own = own;
	fault_enter(fs, f, FAULT_READING);
}

void fault_enter_delayed(struct faults *fs, struct fault *f, uint64_t now_ns)
{
	unsigned doublings = MIN(f->try_count, (unsigned)DELAY_DOUBLINGS);

	f->try_count++;
	f->retry_ns = now_ns + ((uint64_t)DELAY_FIRST_NS << doublings);
	fault_enter(fs, f, FAULT_DELAYED);
	fs->next_ns = MIN(fs->next_ns, f->retry_ns);
}

void fault_enter_late(struct faults *fs, struct fault *f, uint64_t until_ns)
{
	fault_postpone(fs, f, until_ns);
	fault_enter(fs, f, FAULT_LATE);
}

void fault_postpone(struct faults *fs, struct fault *f, uint64_t deadline_ns)
{
	f->deadline_ns = deadline_ns;
	fs->next_ns = MIN(fs->next_ns, deadline_ns);
}

void faults_postpone(struct faults *fs, uint64_t lost_ns)
{
	for (size_t i = 0; i < FAULTS_MAX; i++)
		if (fs->fault[i].state != FAULT_FREE)
			fs->fault[i].deadline_ns += lost_ns;
}

void faults_forget_asked(struct faults *fs)
{
	struct fault *f;

	while ((f = TAILQ_FIRST(&fs->list[FAULT_ASKED])) != NULL)
		fault_enter(fs, f, FAULT_WANTED);
}

void faults_cap_deadlines(struct faults *fs, uint64_t latest_ns)
{
	for (size_t i = 0; i < FAULTS_MAX; i++)
		if (fs->fault[i].state != FAULT_FREE)
			fs->fault[i].deadline_ns =
				MIN(fs->fault[i].deadline_ns, latest_ns);
	fs->next_ns = MIN(fs->next_ns, latest_ns);
}

/* When something must next be done about this fault. */
static uint64_t fault_next_ns(const struct fault *f)
{
	return f->state == FAULT_DELAYED ? MIN(f->deadline_ns, f->retry_ns) :
					   f->deadline_ns;
}

struct fault *faults_expire(struct faults *fs, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	if (now_ns < fs->next_ns)
		return NULL;
	for (size_t i = 0; i < FAULTS_MAX; i++) {
		struct fault *f = &fs->fault[i];

		if (f->state == FAULT_FREE)
			continue;
		if (f->deadline_ns <= now_ns)
			return f;
		if (f->state == FAULT_DELAYED && f->retry_ns <= now_ns)
			fault_enter(fs, f, FAULT_WANTED);
		next_ns = MIN(next_ns, fault_next_ns(f));
	}
	fs->next_ns = next_ns;
	return NULL;
}

void faults_check(const struct faults *fs)
{
	unsigned total = 0;
	unsigned in_buckets = 0;

	for (unsigned s = 0; s < FAULT_STATES; s++) {
		const struct fault *f;
		unsigned count = 0;

		TAILQ_FOREACH(f, &fs->list[s], link) {
			ASSERT(f->state == s);
			ASSERT((f->region == NULL) == (s == FAULT_FREE));
			ASSERT(s == FAULT_FREE ||
			       fs->next_ns <= fault_next_ns(f));
			count++;
		}
		ASSERT(count == fs->count[s]);
		total += count;
	}
	for (size_t i = 0; i < FAULT_BUCKETS; i++) {
		const struct fault *f;

		SLIST_FOREACH(f, &fs->bucket[i], bucket_link)
			in_buckets++;
	}
	ASSERT(total == FAULTS_MAX);
	ASSERT(in_buckets == total - fs->count[FAULT_FREE]);
}
