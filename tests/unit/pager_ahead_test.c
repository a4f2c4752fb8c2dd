/* SPDX-License-Identifier: MIT */
/* Proves that pages are brought in ahead of readers who go in equal steps, that
 * these then hardly ever fault and always find the right bytes, and that
 * nobody else has to pay for it: no fault waits for readahead or for writes, no
 * limit is passed, no lost page is spoken of, nothing is left behind. */
#include "tests/unit/pager_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { PAGES_MAX = 8192, CLIENT = 7 };

#define CONFIG(...) (&(const struct pager_config){ __VA_ARGS__ })

/* Room for the largest windows. */
#define LARGE								\
	.frame_count = 4096, .slot_count = 16384, .readahead_max = 512,	\
	.low_watermark = 128, .high_watermark = 256,			\
	.staging_bytes = 8 << 20

static struct world *start(const struct pager_config *config)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_create(w, config);
	w->client = CLIENT;
	return w;
}

static void finish(struct world *w)
{
	world_destroy(w);
	free(w);
}

static uint8_t byte_of(uint64_t page)
{
	return (uint8_t)(page % 251 + 1);
}

/* ---- a client as the library is one */

struct reader {
	struct world *w;
	segment_id sg;
	uint64_t edge[16];		/* the ends of what it was told of */
	unsigned edge_next;
	bool mapped[PAGES_MAX], marked[PAGES_MAX];
	unsigned replies_seen, ready_seen;
	unsigned asked, minor, waited;
	bool is_slow_disk;		/* it ends nothing unless waited for */
	bool was_lost;
	uint64_t last_cookie;
};

static struct reader *reader_create(struct world *w, segment_id sg)
{
	struct reader *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->w = w;
	r->sg = sg;
	memset(r->edge, 0xff, sizeof(r->edge));
	r->replies_seen = w->reply_count;
	r->ready_seen = w->ready_count;
	return r;
}

static void told(struct reader *r, uint64_t first, uint64_t count,
		 uint64_t mark)
{
	assert_true(first + count <= PAGES_MAX && count > 0);
	for (uint64_t page = first; page < first + count; page++) {
		assert_true(r->w->segment[r->sg].present[page]);
		r->mapped[page] = page != mark;
	}
	if (mark == PAGER_NO_PAGE)
		return;
	assert_true(mark >= first && mark - first < count);
	r->marked[mark] = true;
}

static bool take_edge(struct reader *r, uint64_t page)
{
	for (unsigned i = 0; i < ARRAY_SIZE(r->edge); i++)
		if (r->edge[i] == page) {
			r->edge[i] = UINT64_MAX;
			return true;
		}
	return false;
}

static void add_edge(struct reader *r, uint64_t page)
{
	r->edge[r->edge_next++ % ARRAY_SIZE(r->edge)] = page;
}

static void listen(struct reader *r)
{
	struct world *w = r->w;

	for (; r->replies_seen < w->reply_count; r->replies_seen++) {
		const struct fault *rp = &w->reply[r->replies_seen];

		r->was_lost = rp->error == -EIO;
		if (rp->error != 0)
			continue;
		assert_true(rp->mark != rp->page);
		told(r, rp->first, rp->count, rp->mark);
		if (rp->count > 1)
			add_edge(r, rp->first == rp->page ?
				 rp->first + rp->count : rp->first - 1);
	}
	for (; r->ready_seen < w->ready_count; r->ready_seen++) {
		const struct world_ready *rd = &w->ready[r->ready_seen];

		assert_int_equal(rd->client, CLIENT);
		assert_int_equal(rd->segment, r->sg);
		told(r, rd->first, rd->count, rd->mark);
		if (take_edge(r, rd->first))
			add_edge(r, rd->first + rd->count);
		else if (take_edge(r, rd->first + rd->count - 1))
			add_edge(r, rd->first - 1);
	}
}

static void ask(struct reader *r, uint64_t page)
{
	unsigned before = r->w->reply_count;

	r->asked++;
	(void)world_fault(r->w, r->sg, page);
	r->waited += r->w->reply_count == before;
	while (r->w->reply_count == before) {
		while (pager_run(r->w->pager, ++r->w->now_ns))
			;
		if (r->w->io_count > 0)
			world_end_io(r->w, 0, 0);
	}
	listen(r);
}

static void touch(struct reader *r, uint64_t page)
{
	struct world *w = r->w;

	r->minor++;
	r->mapped[page] = true;
	if (r->marked[page])
		(void)pager_touched(w->pager, r->sg, page, 1, ++w->now_ns);
	r->marked[page] = false;
}

/* Look at a byte of the page, as a program does.  False: it is lost. */
static bool read_page(struct reader *r, uint64_t page)
{
	const bool *present = r->w->segment[r->sg].present;

	r->was_lost = false;
	while (!r->was_lost && !(r->mapped[page] && present[page])) {
		if (!present[page] || take_edge(r, page))
			ask(r, page);
		else
			touch(r, page);
		while (!r->is_slow_disk && r->w->io_count > 0)
			world_end_io(r->w, 0, 0);
		listen(r);
	}
	if (r->was_lost)
		return false;
	assert_int_equal(*world_unit(r->w, r->sg, page), byte_of(page));
	while (pager_run(r->w->pager, ++r->w->now_ns))
		;
	listen(r);
	return true;
}

/* A segment whose pages have all been written and are all out; nothing is
 * known of any reader. */
static segment_id swapped_pages(struct world *w, uint64_t pages,
				unsigned order, account_id account)
{
	segment_id sg = world_segment(w, pages, order, account);
	uint64_t piece = 64u >> order > 0 ? 64u >> order : 1;

	(void)world_advise(w, sg, 0, 1, PAGER_RANDOM);
	for (uint64_t page = 0; page < pages; page++) {
		world_fill(w, sg, page, byte_of(page));
		if (page % piece != piece - 1 && page + 1 != pages)
			continue;
		world_page_out(w, sg, page / piece * piece,
			       page % piece + 1);
		w->done_count = 0;
	}
	(void)world_advise(w, sg, 0, 1, PAGER_NORMAL);
	w->done_count = w->reply_count = w->ready_count = 0;
	return sg;
}

static segment_id swapped_segment(struct world *w, uint64_t pages,
				  account_id account)
{
	return swapped_pages(w, pages, 0, account);
}

/* ---- readers hardly ever fault */

static void readers_hardly_fault(void **state)
{
	static const struct {
		int64_t step;
		bool is_slow_disk;
		unsigned per_fault;	/* pages, at least */
	} table[] = {
		{ 1, false, 64 }, { 1, true, 64 }, { -1, false, 64 },
		{ -1, true, 64 }, { 2, false, 32 }, { 2, true, 32 },
		{ -2, true, 32 }, { 5, false, 20 }, { -9, false, 20 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(LARGE));
		segment_id sg = swapped_segment(w, PAGES_MAX, 0);
		struct reader *r = reader_create(w, sg);
		int64_t step = table[i].step;
		uint64_t page = step > 0 ? 0 : PAGES_MAX - 1;
		unsigned count = 0;
		struct pager_stats st;

		r->is_slow_disk = table[i].is_slow_disk;
		for (; page < PAGES_MAX; page += (uint64_t)step, count++)
			assert_true(read_page(r, page));
		assert_true((r->asked + r->minor) * table[i].per_fault <
			    count);
		st = world_stats(w);
		assert_true(st.readahead_hits > count * 8 / 10);
		world_settle(w);
		free(r);
		finish(w);
	}
}

/* The disk is never idle while a reader who is faster than it goes on. */
static void disk_is_kept_busy(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, PAGES_MAX, 0);
	struct reader *r = reader_create(w, sg);

	(void)state;
	r->is_slow_disk = true;
	for (uint64_t page = 0; page < PAGES_MAX - 1024; page++) {
		assert_true(read_page(r, page));
		if (page > 1024)
			assert_true(w->io_count > 0);
	}
	free(r);
	world_settle(w);
	finish(w);
}

static void several_readers(void **state)
{
	enum { READERS = 16, EACH = PAGES_MAX / READERS };
	static const struct {
		uint32_t frames;
		unsigned per_fault;
	} table[] = {
		{ 16384, 20 },	/* all have small windows at first */
		{ 2048, 4 },	/* no room for large windows of them all */
	};

	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(table); k++) {
		struct world *w = start(CONFIG(
			.frame_count = table[k].frames, .slot_count = 16384,
			.readahead_max = 512, .staging_bytes = 8 << 20));
		segment_id sg = swapped_segment(w, PAGES_MAX, 0);
		struct reader *r = reader_create(w, sg);

		for (uint64_t n = 0; n < EACH; n++)
			for (uint64_t i = 0; i < READERS; i++)
				assert_true(read_page(r, i * EACH + (i % 2 ?
						EACH - 1 - n : n)));
		assert_true((r->asked + r->minor) * table[k].per_fault <
			    PAGES_MAX);
		free(r);
		finish(w);
	}
}

/* What there is room for in flight is divided among those who read. */
static void readers_share(void **state)
{
	enum { READERS = 4 };
	struct world *w = start(CONFIG(
		.frame_count = 16384, .slot_count = 16384,
		.readahead_max = 512, .staging_bytes = 8 << 20));
	segment_id sg[READERS];

	(void)state;
	for (unsigned i = 0; i < READERS; i++) {
		sg[i] = swapped_segment(w, 2048, 0);
		(void)world_advise(w, sg[i], 0, 1, PAGER_SEQUENTIAL);
	}
	for (unsigned i = 0; i < READERS; i++)
		assert_null(world_fault(w, sg[i], 0));
	/* The first has taken all; what ends is given to each in turn. */
	for (unsigned n = 0; n < 2 * READERS; n++)
		world_end_io(w, 0, 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_true(world_info(w, sg[i]).loading >= 64);
	world_settle(w);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(world_info(w, sg[i]).resident, 513);
	finish(w);
}

/* First touches of a region that grows, up or down. */
static void growing_region(void **state)
{
	static const int64_t steps[] = { 1, -1 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		struct world *w = start(CONFIG(LARGE));
		segment_id sg = world_segment(w, PAGES_MAX, 0, 0);
		struct reader *r = reader_create(w, sg);
		uint64_t page = PAGES_MAX / 2;

		for (unsigned n = 0; n < 3000; n++) {
			unsigned present = 0;

			if (!r->mapped[page]) {
				if (w->segment[sg].present[page] &&
				    !take_edge(r, page))
					touch(r, page);
				else
					ask(r, page);
				listen(r);
			}
			assert_int_equal(*world_unit(w, sg, page), 0);
			page += (uint64_t)steps[i];
			for (uint64_t k = 0; k < PAGES_MAX; k += 64)
				present += w->segment[sg].present[k];
			assert_true(present * 64 < n + 3 * 512);
		}
		assert_true((r->asked + r->minor) * 64 < 3000);
		assert_int_equal(w->reads + w->writes, 0);
		free(r);
		finish(w);
	}
}

/* ---- and who does not go in equal steps costs nothing */

static void random_reader_reads_nothing_else(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, PAGES_MAX, 0);
	struct pager_stats st;

	(void)state;
	srandom(3);
	for (unsigned i = 0; i < 3000; i++) {
		(void)world_fault_wait(w, sg, (uint64_t)random() % PAGES_MAX);
		w->reply_count = 0;
	}
	st = world_stats(w);
	/* In so few pages he often comes where he was just before. */
	assert_true(st.readahead_pages * 4 < st.pages_read);
	finish(w);
}

static void advice(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, PAGES_MAX, 0);

	(void)state;
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_RANDOM), 0);
	for (uint64_t page = 0; page < 100; page++)
		assert_int_equal(world_fault_wait(w, sg, page)->count, 1);
	assert_int_equal(world_stats(w).readahead_pages, 0);
	assert_int_equal(world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL), 0);
	assert_null(world_fault(w, sg, 1000));
	/* As much as there is staging for, and then the rest. */
	assert_int_equal(world_info(w, sg).loading, 448);
	world_settle(w);
	assert_int_equal(world_info(w, sg).resident, 613);
	finish(w);
}

/* One that cannot be told gets no more than its answers can speak of. */
static void old_client(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, PAGES_MAX, 0);
	unsigned faults = 0;
	uint64_t page = 0;

	(void)state;
	w->client = 0;
	for (; page < 2000; faults++) {
		const struct fault *rp = world_fault_wait(w, sg, page);

		assert_int_equal(rp->error, 0);
		assert_int_equal(rp->first, page);
		assert_int_equal(rp->mark, PAGER_NO_PAGE);
		page += rp->count;
		assert_int_equal(world_info(w, sg).resident, page);
	}
	assert_int_equal(w->ready_count, 0);
	assert_true(faults < 60);
	finish(w);
}

/* Windows are 2 MiB at most, whatever the size of a page. */
static void large_pages(void **state)
{
	static const struct {
		unsigned order;
		uint64_t window;
	} table[] = { { 2, 128 }, { 4, 32 }, { 9, 1 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(.frame_count = 8192,
					       .slot_count = 8192,
					       .readahead_max = 512,
					       .staging_bytes = 8 << 20));
		unsigned order = table[i].order;
		uint64_t pages = 8192u >> order;
		segment_id sg = swapped_pages(w, pages, order, 0);

		(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
		assert_null(world_fault(w, sg, 0));
		assert_true(world_info(w, sg).loading <= table[i].window + 1);
		world_settle(w);
		assert_int_equal(world_info(w, sg).resident,
				 table[i].window + 1);
		for (uint64_t page = 0; page < pages; page++)
			world_expect(w, sg, page, byte_of(page));
		finish(w);
	}
}

/* ---- nobody else pays */

/* With all that readahead may have in flight, a fault is served at once. */
static void faults_do_not_wait_for_it(void **state)
{
	static const struct {
		uint32_t requests;
		unsigned scattered;	/* a window needs many requests */
	} table[] = { { 0, 0 }, { 16, 0 }, { 16, 1 }, { 4, 1 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(
			.frame_count = 8192, .slot_count = 16384,
			.readahead_max = 512, .staging_bytes = 8 << 20,
			.requests_max = table[i].requests));
		segment_id sg = swapped_segment(w, 4096, 0);
		segment_id other = swapped_segment(w, 64, 0);
		segment_id huge = world_segment(w, 1, 9, 0);
		unsigned before;

		world_fill(w, huge, 0, 0x55);
		world_page_out(w, huge, 0, 1);
		if (table[i].requests != 0)
			w->io_depth = table[i].requests;
		(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
		if (table[i].scattered) {
			(void)world_advise(w, sg, 0, 1, PAGER_NORMAL);
			(void)world_fault_wait(w, sg, 0);
			(void)world_fault_wait(w, sg, 7);
			(void)world_fault(w, sg, 14);
		} else {
			(void)world_fault(w, sg, 0);
		}
		before = w->io_count;
		assert_true(before > 0);
		assert_null(world_fault(w, other, 5));
		assert_int_equal(w->io_count, before + 1);
		assert_null(world_fault(w, huge, 0));
		assert_true(w->io_count > before + 1 ||
			    w->io_count == w->io_depth);
		world_settle(w);
		world_expect(w, other, 5, byte_of(5));
		world_expect(w, huge, 0, 0x55);
		finish(w);
	}
}

/* Who waits for a page that is only on its way ahead need not wait for its
 * turn. */
static void waiting_makes_it_urgent(void **state)
{
	struct world *w = start(CONFIG(LARGE, .requests_max = 4));
	segment_id sg = swapped_segment(w, 4096, 0);

	(void)state;
	w->io_depth = 4;
	(void)world_fault(w, sg, 0);
	(void)world_fault(w, sg, 7);
	(void)world_fault(w, sg, 14);	/* 21, 28 … are read ahead */
	while (w->io_count > 2)
		world_end_io(w, 0, 0);
	assert_int_equal(world_info(w, sg).loading > 2, 1);
	assert_null(world_fault(w, sg, 21 + 7 * 6));
	assert_true(w->io_count > 2);
	world_settle(w);
	finish(w);
}

static unsigned count_class(const struct world *w, enum swap_class class)
{
	unsigned count = 0;

	for (unsigned i = 0; i < w->io_count; i++)
		count += swap_io_class(&w->io[i]) == class;
	return count;
}

/* The store learns who waits for a request. */
static void requests_have_classes(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 4096, 0);
	segment_id other = swapped_segment(w, 64, 0);

	(void)state;
	(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
	(void)world_fault(w, sg, 0);
	assert_true(count_class(w, SWAP_DEMAND) > 0);
	assert_true(count_class(w, SWAP_AHEAD) > 0);
	assert_int_equal(count_class(w, SWAP_WRITE), 0);
	assert_int_equal(swap_io_class(&w->io[0]), SWAP_DEMAND);
	(void)world_fault(w, other, 5);
	assert_int_equal(swap_io_class(&w->io[w->io_count - 1]), SWAP_DEMAND);
	world_settle(w);
	world_fill(w, other, 5, 0x77);
	(void)world_advise(w, other, 5, 1, PAGER_PAGEOUT);
	assert_int_equal(count_class(w, SWAP_WRITE), 1);
	assert_int_equal(w->io_count, 1);
	world_settle(w);
	finish(w);
}

/* Where the store has no room for one class, batches of the others do not wait
 * with it. */
static void classes_do_not_wait_for_each_other(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 4096, 0);
	segment_id other = swapped_segment(w, 64, 0);
	unsigned before;

	(void)state;
	(void)world_fault_wait(w, other, 5);
	world_fill(w, other, 5, 0x77);
	w->refuses[SWAP_WRITE] = w->refuses[SWAP_AHEAD] = true;
	(void)world_advise(w, other, 5, 1, PAGER_PAGEOUT);
	(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
	assert_null(world_fault(w, sg, 0));
	before = count_class(w, SWAP_DEMAND);
	assert_true(before > 0);
	assert_int_equal(w->io_count, before);
	assert_null(world_fault(w, other, 9));
	assert_int_equal(count_class(w, SWAP_DEMAND), before + 1);
	/* With room for each, all goes on at the next completion. */
	w->refuses[SWAP_WRITE] = false;
	world_end_io(w, 0, 0);
	assert_int_equal(count_class(w, SWAP_WRITE), 1);
	assert_int_equal(count_class(w, SWAP_AHEAD), 0);
	w->refuses[SWAP_AHEAD] = false;
	world_end_io(w, 0, 0);
	assert_true(count_class(w, SWAP_AHEAD) > 0);
	world_settle(w);
	world_expect(w, other, 9, byte_of(9));
	finish(w);
}

static void limits_hold(void **state)
{
	enum { LIMIT = 100 };
	struct world *w = start(CONFIG(LARGE));
	struct account_info info;
	struct reader *r;
	account_id account;
	segment_id sg, others;

	(void)state;
	assert_int_equal(pager_account_add(w->pager, 0, 0, 0, &account), 0);
	sg = swapped_segment(w, 2000, account);
	others = world_segment(w, 500, 0, 0);
	for (uint64_t page = 0; page < 500; page++)
		world_fill(w, others, page, 9);
	pager_account_limit(w->pager, account, LIMIT, 0);
	r = reader_create(w, sg);
	for (uint64_t page = 0; page < 2000; page++) {
		assert_true(read_page(r, page));
		pager_account_get(w->pager, account, &info);
		assert_true(info.used_frames <= LIMIT);
	}
	assert_int_equal(world_info(w, others).resident, 500);
	free(r);
	world_segment_destroy(w, sg);
	world_settle(w);
	pager_account_remove(w->pager, account);
	finish(w);
}

/* It leaves frames for those who fault, and has nothing evicted by itself. */
static void frames_are_left(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 2048, 0);
	segment_id full = world_segment(w, 4096, 0, 0);
	uint64_t page = 0, before;
	struct pager_stats st;

	(void)state;
	w->client = 0;
	while ((before = world_stats(w).free_frames) > 40)
		(void)world_fault(w, full, page++);
	w->client = CLIENT;
	(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
	assert_null(world_fault(w, sg, 0));
	st = world_stats(w);
	assert_true(st.free_frames >= before / 2);
	assert_int_equal(st.evicting_frames, 0);
	world_settle(w);
	/* When frames have become free it goes on. */
	assert_int_equal(world_info(w, sg).resident, 513);
	finish(w);
}

/* ---- what can go wrong meanwhile */

static void lost_page_is_not_spoken_of(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 2000, 0);
	struct reader *r = reader_create(w, sg);
	uint32_t slot = world_find_slot(w, byte_of(150));

	(void)state;
	w->slots[(size_t)slot * PAGER_UNIT_BYTES + 99] ^= 1;
	for (uint64_t page = 0; page < 2000; page++)
		assert_int_equal(read_page(r, page), page != 150);
	assert_int_equal(world_stats(w).pages_lost, 1);
	free(r);
	finish(w);
}

/* A reader waits for more than its page, which is taken away meanwhile. */
static void page_goes_while_its_answer_is_held(void **state)
{
	static const enum pager_advice table[] = {
		PAGER_PAGEOUT, PAGER_DONTNEED,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct world *w = start(CONFIG(LARGE));
		segment_id sg = swapped_segment(w, 4096, 0);
		const struct fault *rp;

		(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
		assert_null(world_fault(w, sg, 0));
		world_end_io(w, 0, 0);
		assert_int_equal(w->reply_count, 0);
		assert_int_equal(world_info(w, sg).resident, 64);
		(void)world_advise(w, sg, 0, 1, table[i]);
		world_settle(w);
		assert_int_equal(w->reply_count, 1);
		rp = &w->reply[0];
		assert_int_equal(rp->error, 0);
		assert_int_equal(rp->page, 0);
		world_expect(w, sg, 0, table[i] == PAGER_DONTNEED ? 0 :
			     byte_of(0));
		finish(w);
	}
}

/* No memory for its neighbours: who has his page is not kept waiting. */
static void held_answer_does_not_wait_for_memory(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 4096, 0);

	(void)state;
	(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
	assert_null(world_fault(w, sg, 0));
	world_end_io(w, 0, 0);
	assert_int_equal(w->reply_count, 0);
	w->fail_installs = 1;
	world_end_io(w, 0, 0);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, 0);
	assert_int_equal(w->reply[0].count, 64);
	world_settle(w);
	finish(w);
}

static void segment_goes_meanwhile(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 4096, 0);

	(void)state;
	(void)world_advise(w, sg, 0, 1, PAGER_SEQUENTIAL);
	assert_null(world_fault(w, sg, 0));
	world_end_io(w, 0, 0);
	world_segment_destroy(w, sg);
	assert_int_equal(w->reply_count, 1);
	assert_int_equal(w->reply[0].error, -EFAULT);
	world_settle(w);
	assert_int_equal(w->gone_count, 1);
	assert_int_equal(w->ready_count, 0);
	finish(w);
}

/* What was used and what was not is told apart. */
static void use_is_counted(void **state)
{
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 4096, 0);
	struct pager_stats st;

	(void)state;
	(void)world_fault_wait(w, sg, 100);
	(void)world_fault_wait(w, sg, 101);
	assert_int_equal(world_stats(w).readahead_pages, 8);
	assert_int_equal(world_stats(w).readahead_hits, 0);
	(void)pager_touched(w->pager, sg, 102, 2, ++w->now_ns);
	assert_int_equal(world_stats(w).readahead_hits, 2);
	world_page_out(w, sg, 0, 4096);
	st = world_stats(w);
	assert_int_equal(st.readahead_hits, 2);
	assert_int_equal(st.readahead_wasted, st.readahead_pages - 2);
	finish(w);
}

/* A reader in order comes to pages that are there, but were aged: it is told of
 * them as of pages that were read ahead, and does not fault on each. */
static void aged_pages_are_shown(void **state)
{
	enum { FIRST = 64, END = 512, PAGES = 1024, PER_FAULT = 32 };
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, PAGES, 0);
	struct reader *r = reader_create(w, sg);
	uint64_t shown = 0;

	(void)state;
	(void)world_advise(w, sg, FIRST, END - FIRST, PAGER_WILLNEED);
	world_settle(w);
	(void)world_advise(w, sg, FIRST, END - FIRST, PAGER_COLD);
	for (uint64_t page = 0; page < PAGES; page++)
		assert_true(read_page(r, page));
	for (unsigned i = 0; i < w->ready_count; i++)
		if (w->ready[i].first >= FIRST && w->ready[i].first < END)
			shown += w->ready[i].count;
	assert_true(shown > (END - FIRST) / 2);
	assert_true((r->asked + r->minor) * PER_FAULT < PAGES);
	world_settle(w);
	free(r);
	finish(w);
}

/* A reader faults on every fourth page, but those between are there: where they
 * are not, it wants them, too. */
static void single_steps_are_believed(void **state)
{
	enum { STEP = 4, END = 64 };
	struct world *w = start(CONFIG(LARGE));
	segment_id sg = swapped_segment(w, 1024, 0);

	(void)state;
	(void)world_advise(w, sg, 0, END, PAGER_WILLNEED);
	world_settle(w);
	for (uint64_t page = 0; page < END; page += STEP)
		world_page_out(w, sg, page, 1);
	for (uint64_t page = END - 4 * STEP; page <= END; page += STEP)
		(void)world_fault_wait(w, sg, page);
	world_settle(w);
	for (uint64_t page = END; page < END + STEP; page++)
		assert_true(w->segment[sg].present[page]);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_hardly_fault),
		cmocka_unit_test(disk_is_kept_busy),
		cmocka_unit_test(several_readers),
		cmocka_unit_test(readers_share),
		cmocka_unit_test(growing_region),
		cmocka_unit_test(random_reader_reads_nothing_else),
		cmocka_unit_test(advice),
		cmocka_unit_test(old_client),
		cmocka_unit_test(large_pages),
		cmocka_unit_test(faults_do_not_wait_for_it),
		cmocka_unit_test(waiting_makes_it_urgent),
		cmocka_unit_test(requests_have_classes),
		cmocka_unit_test(classes_do_not_wait_for_each_other),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(frames_are_left),
		cmocka_unit_test(lost_page_is_not_spoken_of),
		cmocka_unit_test(page_goes_while_its_answer_is_held),
		cmocka_unit_test(held_answer_does_not_wait_for_memory),
		cmocka_unit_test(segment_goes_meanwhile),
		cmocka_unit_test(use_is_counted),
		cmocka_unit_test(aged_pages_are_shown),
		cmocka_unit_test(single_steps_are_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
