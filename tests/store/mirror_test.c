/* SPDX-License-Identifier: MIT */
/* Proves that a mirror loses nothing that one of its children has, returns no
 * byte but the last one written, says of exactly those slots that nobody has
 * that they are lost, and ends with both children alike: over children in
 * memory that go away, come back, come back with nothing, lose single slots,
 * refuse writes, and answer late and in any order, all from a seed, against a
 * model.  Also that demand reads which had to wait go before readahead.
 *
 *   mirror_test [FIRST-SEED COUNT] */
#include "tests/store/storetest.h"
#include "swapstore/store_mirror.h"
#include "tests/tier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	SLOTS = 300, RUN_MAX = 8, OPS = 48, STEPS = 20000, PENDING_MAX = 64,
	BEHIND_MAX = 100, PATIENCE = 1000000,
};

static uint64_t seed, state;
static unsigned first_seed = 1, seed_count = 4;

static uint32_t roll(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

#define REQUIRE(expr)							\
	do {								\
		if (!(expr))						\
			fail_msg("seed %llu: %s:%d: %s",		\
				 (unsigned long long)seed, __FILE__,	\
				 __LINE__, #expr);			\
	} while (0)

/* ---- a child */

struct cell {
	uint32_t slot;
	_Alignas(8) uint8_t bytes[SWAP_SLOT_BYTES];
};

struct pending {
	struct swap_io io;
	bool is_settled;		/* the result is known, but not said */
	int result;
};

/* What is kept: the server's, and on top of it what is behind. */
struct fake {
	struct swapstore base;
	bool is_up, has_news;
	bool cannot_read;
	uint64_t epoch;
	bool is_kept[SLOTS];
	_Alignas(8) uint8_t bytes[SLOTS][SWAP_SLOT_BYTES];
	struct cell behind[BEHIND_MAX];
	unsigned behind_count;
	struct pending pending[PENDING_MAX];
	unsigned pending_count;
	/* The classes of the requests it was asked for, refused or not. */
	enum swap_class asked[PENDING_MAX];
	unsigned asked_count;
	int event_fd;
};

/* Readable while a reap would bring something about. */
static void fake_signal(struct fake *f)
{
	eventfd_t ignored;

	(void)eventfd_read(f->event_fd, &ignored);
	if (f->has_news || f->pending_count != 0 ||
	    (f->is_up && f->behind_count != 0))
		assert_int_equal(eventfd_write(f->event_fd, 1), 0);
}

static const uint8_t *fake_look(const struct fake *f, uint32_t slot)
{
	for (unsigned i = f->behind_count; i-- > 0;)
		if (f->behind[i].slot == slot)
			return f->behind[i].bytes;
	return f->is_kept[slot] ? f->bytes[slot] : NULL;
}

static void fake_read(struct fake *f, struct pending *p)
{
	uint8_t *to = p->io.buffer;

	p->is_settled = true;
	p->result = !f->is_up ? -ENOTCONN :
		    f->cannot_read || roll(8) == 0 ? -EAGAIN : 0;
	memset(to, 0xee, p->io.slot_count * (size_t)SWAP_SLOT_BYTES);
	for (uint32_t i = 0; p->result == 0 && i < p->io.slot_count; i++) {
		const uint8_t *at = fake_look(f, p->io.slot + i);

		if (at == NULL)
			p->result = -EIO;
		else
			memcpy(to + (size_t)i * SWAP_SLOT_BYTES, at,
			       SWAP_SLOT_BYTES);
	}
}

static int fake_submit(struct swapstore *st, const struct swap_io *io)
{
	struct fake *f = (struct fake *)st;
	struct pending *p = &f->pending[f->pending_count];

	if (f->asked_count < PENDING_MAX)
		f->asked[f->asked_count++] = swap_io_class(io);
	if (f->pending_count == PENDING_MAX || roll(16) == 0 ||
	    (io->is_write && f->behind_count + io->slot_count > BEHIND_MAX)) {
		f->has_news = true;	/* room, at some time */
		fake_signal(f);
		return -EAGAIN;
	}
	*p = (struct pending){ .io = *io, .is_settled = io->is_write };
	f->pending_count++;
	for (uint32_t i = 0; io->is_write && i < io->slot_count; i++) {
		struct cell *cell = &f->behind[f->behind_count++];

		cell->slot = io->slot + i;
		memcpy(cell->bytes, (uint8_t *)io->buffer +
			       (size_t)i * SWAP_SLOT_BYTES, SWAP_SLOT_BYTES);
	}
	if (!io->is_write && f->is_up && roll(2) == 0)
		fake_read(f, p);
	fake_signal(f);
	return 0;
}

static int fake_flush(struct swapstore *st)
{
	(void)st;
	return 0;
}

static void fake_send_one(struct fake *f)
{
	const struct cell *cell = &f->behind[0];

	f->is_kept[cell->slot] = true;
	memcpy(f->bytes[cell->slot], cell->bytes, SWAP_SLOT_BYTES);
	f->behind_count--;
	memmove(&f->behind[0], &f->behind[1],
		f->behind_count * sizeof(f->behind[0]));
}

static unsigned fake_reap(struct swapstore *st, struct swap_done *done,
			  unsigned max)
{
	struct fake *f = (struct fake *)st;
	unsigned count = 0;

	f->has_news = false;
	for (uint32_t n = roll(12); f->is_up && f->behind_count != 0 && n != 0;
	     n--)
		fake_send_one(f);
	for (uint32_t n = roll(8); n != 0 && count < max &&
				   f->pending_count != 0; n--) {
		struct pending *p = &f->pending[roll(f->pending_count)];

		if (!p->is_settled)
			fake_read(f, p);
		done[count++] = swap_io_done(&p->io, p->result);
		*p = f->pending[--f->pending_count];
	}
	fake_signal(f);
	return count;
}

static int fake_event_fd(struct swapstore *st)
{
	return ((struct fake *)st)->event_fd;
}

static void fake_discard(struct swapstore *st, uint32_t slot, uint32_t count)
{
	struct fake *f = (struct fake *)st;
	unsigned kept = 0;

	for (uint32_t i = slot; i < slot + count; i++)
		f->is_kept[i] = false;
	for (unsigned i = 0; i < f->behind_count; i++)
		if (f->behind[i].slot < slot ||
		    f->behind[i].slot >= slot + count)
			f->behind[kept++] = f->behind[i];
	f->behind_count = kept;
}

static void fake_destroy(struct swapstore *st)
{
	close(((struct fake *)st)->event_fd);
	free(st);
}

static const struct swapstore_ops fake_ops = {
	.name = "fake", .submit = fake_submit, .flush = fake_flush,
	.reap = fake_reap, .event_fd = fake_event_fd, .discard = fake_discard,
	.destroy = fake_destroy,
};

static bool fake_is_up(const struct swapstore *st)
{
	return ((const struct fake *)st)->is_up;
}

static uint64_t fake_epoch(const struct swapstore *st)
{
	return ((const struct fake *)st)->epoch;
}

static bool fake_has(const struct swapstore *st, uint32_t slot)
{
	return fake_look((const struct fake *)st, slot) != NULL;
}

static struct fake *fake_create(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->base.ops = &fake_ops;
	f->base.slot_count = SLOTS;
	f->base.queue_depth = PENDING_MAX;
	f->is_up = true;
	f->epoch = 1;
	f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return f;
}

/* What was on its way and not answered ends with an error, or was answered
 * just before. */
static void fake_go_down(struct fake *f)
{
	for (unsigned i = 0; i < f->pending_count; i++)
		if (!f->pending[i].is_settled && roll(4) == 0)
			fake_read(f, &f->pending[i]);
	f->is_up = false;
	for (unsigned i = 0; i < f->pending_count; i++)
		if (!f->pending[i].is_settled)
			fake_read(f, &f->pending[i]);
	f->has_news = true;
	fake_signal(f);
}

static void fake_come_up(struct fake *f, bool is_empty)
{
	if (is_empty || f->epoch == 0) {
		f->epoch++;
		memset(f->is_kept, 0, sizeof(f->is_kept));
	}
	f->is_up = true;
	f->has_news = true;
	fake_signal(f);
}

/* ---- the model */

struct op {
	bool is_busy, is_lost;		/* lost: nobody had all when asked */
	struct swap_io io;
	void *buffer;
};

struct world {
	struct swapstore *mirror;
	struct fake *child[2];
	uint32_t version[SLOTS];	/* 0: nothing is kept there */
	bool is_busy[SLOTS];
	struct op op[OPS];
	unsigned busy_count;
	uint32_t last_version;
	bool is_safe;			/* nothing may be lost at all */
	uint64_t good_reads, lost_reads;
};

static bool anybody_has(const struct world *w, uint32_t slot)
{
	for (unsigned c = 0; c < 2; c++) {
		const uint8_t *at = fake_look(w->child[c], slot);

		if (w->version[slot] != 0 && at != NULL &&
		    pattern_is(at, slot, 1, w->version[slot]))
			return true;
	}
	return false;
}

static bool all_are_there(const struct world *w, const struct swap_io *io)
{
	for (uint32_t i = io->slot; i < io->slot + io->slot_count; i++)
		if (!anybody_has(w, i))
			return false;
	return true;
}

static void mark(struct world *w, const struct swap_io *io, bool is_busy)
{
	for (uint32_t i = io->slot; i < io->slot + io->slot_count; i++)
		w->is_busy[i] = is_busy;
}

/* Some slots that no request is about. */
static bool pick(struct world *w, struct swap_io *io)
{
	io->slot = roll(SLOTS);
	io->slot_count = 1 + roll(RUN_MAX);
	if (io->slot_count > SLOTS - io->slot)
		io->slot_count = SLOTS - io->slot;
	for (uint32_t i = io->slot; i < io->slot + io->slot_count; i++)
		if (w->is_busy[i])
			return false;
	return true;
}

static void fill_op(struct world *w, struct op *op, uint32_t *versions)
{
	for (uint32_t i = 0; i < op->io.slot_count; i++) {
		versions[i] = ++w->last_version;
		pattern_fill((uint8_t *)op->buffer +
			     (size_t)i * SWAP_SLOT_BYTES,
			     op->io.slot + i, 1, versions[i]);
	}
}

static void submit_one(struct world *w, bool is_write)
{
	uint32_t idx = roll(OPS), versions[RUN_MAX];
	struct op *op = &w->op[idx];

	if (op->is_busy || !pick(w, &op->io))
		return;
	op->io.cookie = idx;
	op->io.buffer = op->buffer;
	op->io.is_write = is_write;
	op->io.is_ahead = !is_write && roll(2) == 0;
	if (is_write)
		fill_op(w, op, versions);
	op->is_lost = !is_write && !all_are_there(w, &op->io);
	if (swapstore_submit(w->mirror, &op->io) != 0)
		return;
	for (uint32_t i = 0; is_write && i < op->io.slot_count; i++)
		w->version[op->io.slot + i] = versions[i];
	op->is_busy = true;
	w->busy_count++;
	mark(w, &op->io, true);
}

static void judge_read(struct world *w, const struct op *op, int result)
{
	if (result != 0) {
		REQUIRE(result == -SWAP_ELOST);
		REQUIRE(!all_are_there(w, &op->io));
		for (uint32_t i = 0; w->is_safe && i < op->io.slot_count; i++)
			if (w->version[op->io.slot + i] == 0)
				return;
		REQUIRE(!w->is_safe);
		w->lost_reads++;
		return;
	}
	REQUIRE(!op->is_lost);
	for (uint32_t i = 0; i < op->io.slot_count; i++)
		REQUIRE(pattern_is((uint8_t *)op->buffer +
				   (size_t)i * SWAP_SLOT_BYTES, op->io.slot + i,
				   1, w->version[op->io.slot + i]));
	w->good_reads++;
}

/* As the pager does: only when the descriptor says so. */
static bool reap_if_ready(struct world *w)
{
	struct swap_done done[8];
	unsigned count;

	if (!is_readable(swapstore_event_fd(w->mirror)))
		return false;
	count = swapstore_reap(w->mirror, done, 1 + roll(ARRAY_SIZE(done)));
	for (unsigned i = 0; i < count; i++) {
		struct op *op = &w->op[done[i].cookie];

		REQUIRE(op->is_busy && done[i].is_write == op->io.is_write &&
			done[i].is_ahead == op->io.is_ahead &&
			done[i].slot_count == op->io.slot_count);
		op->is_busy = false;
		w->busy_count--;
		mark(w, &op->io, false);
		if (op->io.is_write)
			REQUIRE(done[i].result == 0);
		else
			judge_read(w, op, done[i].result);
	}
	return true;
}

static void discard_some(struct world *w)
{
	struct swap_io io;

	if (!pick(w, &io))
		return;
	for (uint32_t i = io.slot; i < io.slot + io.slot_count; i++)
		w->version[i] = 0;
	swapstore_discard(w->mirror, io.slot, io.slot_count);
}

static void change_child(struct world *w)
{
	struct fake *f = w->child[roll(2)];
	struct store_mirror_status s;
	bool is_empty = roll(2) == 0;

	store_mirror_status_get(w->mirror, &s);
	if (w->is_safe && (s.slots[0] != s.slot_count ||
			   s.slots[1] != s.slot_count))
		is_empty = false;
	if (!w->is_safe && roll(4) == 0)
		f->is_kept[roll(SLOTS)] = false;
	else if (f->is_up)
		fake_go_down(f);
	else
		fake_come_up(f, is_empty);
}

static void step(struct world *w)
{
	uint32_t what = roll(1000);

	if (what < 300)
		submit_one(w, true);
	else if (what < 550)
		submit_one(w, false);
	else if (what < 580)
		discard_some(w);
	else if (what < 595)
		change_child(w);
	else
		(void)reap_if_ready(w);
	store_mirror_check(w->mirror);
}

/* Nothing is forgotten, and both have the same. */
static void settle(struct world *w)
{
	struct store_mirror_status s;
	unsigned left = PATIENCE;

	for (unsigned c = 0; c < 2; c++)
		if (!w->child[c]->is_up)
			fake_come_up(w->child[c], false);
	while (reap_if_ready(w))
		REQUIRE(left-- != 0);
	REQUIRE(w->busy_count == 0);
	store_mirror_check(w->mirror);
	store_mirror_status_get(w->mirror, &s);
	REQUIRE(s.is_up[0] && s.is_up[1] && s.waiting == 0);
	REQUIRE(s.slots[0] == s.slot_count && s.slots[1] == s.slot_count);
}

static void compare(struct world *w)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		REQUIRE(swapstore_has_lost(w->mirror, i) != anybody_has(w, i));
		if (!anybody_has(w, i))
			continue;
		for (unsigned c = 0; c < 2; c++)
			REQUIRE(w->child[c]->is_kept[i] &&
				pattern_is(w->child[c]->bytes[i], i, 1,
					   w->version[i]));
	}
}

/* `away`: one that has not come yet, or none. */
static void world_init(struct world *w, unsigned away)
{
	struct store_mirror_child child[2];

	*w = (struct world){ .is_safe = seed % 2 == 0 };
	for (unsigned c = 0; c < 2; c++) {
		w->child[c] = fake_create();
		w->child[c]->is_up = c != away;
		w->child[c]->epoch = c != away;
		child[c] = (struct store_mirror_child){
			&w->child[c]->base, fake_is_up, fake_epoch, fake_has,
		};
	}
	for (unsigned i = 0; i < OPS; i++)
		w->op[i].buffer = buffer_create(RUN_MAX *
						(size_t)SWAP_SLOT_BYTES);
	assert_int_equal(store_mirror_create(child, &w->mirror), 0);
}

/* With requests in flight: what the owner lent is not touched after. */
static void world_fini(struct world *w)
{
	swapstore_destroy(w->mirror);
	for (unsigned i = 0; i < OPS; i++)
		buffer_destroy(w->op[i].buffer,
			       RUN_MAX * (size_t)SWAP_SLOT_BYTES);
}

static void nothing_is_lost(void **unused)
{
	static struct world w;
	uint64_t good = 0, lost = 0;

	(void)unused;
	for (seed = first_seed; seed < first_seed + seed_count; seed++) {
		state = seed * UINT64_C(0x9e3779b97f4a7c15);
		world_init(&w, (unsigned)(seed % 4));
		for (unsigned i = 0; i < STEPS; i++) {
			step(&w);
			/* Now and then all is well. */
			if (i % 2000 == 1999) {
				settle(&w);
				if (w.is_safe)
					compare(&w);
			}
		}
		for (unsigned i = 0; i < 50; i++)
			submit_one(&w, roll(2) == 0);
		world_fini(&w);
		good += w.good_reads;
		lost += w.lost_reads;
	}
	print_message("%llu reads good, %llu of lost slots\n",
		      (unsigned long long)good, (unsigned long long)lost);
	assert_true(good > 500 * seed_count && (lost > 10 || seed_count == 1));
}

/* A read that ends at once makes the descriptor readable by itself. */
static void who_sleeps_is_woken(void **unused)
{
	static struct world w;
	struct swap_io io = { .cookie = 7, .slot = 0, .slot_count = 2 };
	struct swap_done done[2];

	(void)unused;
	seed = state = 1;
	world_init(&w, 2);
	io.buffer = w.op[0].buffer;
	for (unsigned i = 0; i < 2; i++) {
		io.cookie = i;
		assert_int_equal(swapstore_submit(w.mirror, &io), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_true(is_readable(swapstore_event_fd(w.mirror)));
		assert_int_equal(swapstore_reap(w.mirror, done, 1), 1);
		assert_int_equal(done[0].result, -SWAP_ELOST);
		assert_int_equal(done[0].cookie, i);
	}
	assert_false(is_readable(swapstore_event_fd(w.mirror)));
	world_fini(&w);
}

static int read_slot(struct world *w, uint32_t slot)
{
	struct swap_io io = { .cookie = slot, .slot = slot, .slot_count = 1,
			      .buffer = w->op[0].buffer };
	struct swap_done done;
	unsigned left = PATIENCE;

	while (swapstore_submit(w->mirror, &io) != 0)
		(void)swapstore_reap(w->mirror, &done, 0);
	while (swapstore_reap(w->mirror, &done, 1) == 0)
		assert_true(left-- != 0);
	return done.result;
}

/* One that is there, but has no means to read, is not waited for while the
 * other one can, and nothing is taken for lost for it. */
static void who_cannot_read_is_left_alone(void **unused)
{
	static struct world w;

	(void)unused;
	seed = state = 1;
	for (unsigned c = 0; c < 2; c++) {
		world_init(&w, 2);
		for (unsigned i = 0; i < 200; i++)
			submit_one(&w, true);
		settle(&w);
		w.child[c]->cannot_read = true;
		for (uint32_t slot = 0; slot < SLOTS; slot++) {
			if (w.version[slot] == 0)
				continue;
			assert_int_equal(read_slot(&w, slot), 0);
			assert_true(pattern_is(w.op[0].buffer, slot, 1,
					       w.version[slot]));
		}
		w.child[c]->cannot_read = false;
		settle(&w);
		compare(&w);
		world_fini(&w);
	}
}

/* Nobody is there to read for any of them, until somebody comes. */
static void demand_goes_before_readahead(void **unused)
{
	static struct world w;
	const struct fake *f;

	(void)unused;
	seed = state = 2;
	world_init(&w, 2);
	for (unsigned i = 0; i < 200; i++)
		submit_one(&w, true);
	settle(&w);
	f = w.child[0];
	for (unsigned c = 0; c < 2; c++)
		fake_go_down(w.child[c]);
	for (unsigned i = 0; i < 200; i++)
		submit_one(&w, false);
	assert_in_range(w.mirror->in_flight_of[SWAP_DEMAND], 3, OPS);
	assert_in_range(w.mirror->in_flight_of[SWAP_AHEAD], 3, OPS);
	w.child[0]->asked_count = 0;
	fake_come_up(w.child[0], false);
	while (f->asked_count == 0)
		(void)reap_if_ready(&w);
	for (unsigned i = 0, aheads = 0; i < f->asked_count; i++) {
		aheads += f->asked[i] == SWAP_AHEAD;
		assert_true(aheads == 0 || f->asked[i] == SWAP_AHEAD);
	}
	assert_int_equal(f->asked[0], SWAP_DEMAND);
	assert_int_equal(f->asked[f->asked_count - 1], SWAP_AHEAD);
	settle(&w);
	world_fini(&w);
}

/* ---- a copy's read that fails late */

enum { LATE_SLOT = 5 };

static void write_late_slot(struct world *w, uint32_t version)
{
	struct swap_io io = {
		.buffer = w->op[0].buffer, .slot = LATE_SLOT, .slot_count = 1,
		.is_write = true,
	};
	unsigned left = PATIENCE;

	REQUIRE(!w->op[0].is_busy);
	pattern_fill(io.buffer, LATE_SLOT, 1, version);
	while (swapstore_submit(w->mirror, &io) != 0)
		REQUIRE(left-- != 0);
	w->version[LATE_SLOT] = version;
	w->op[0].io = io;
	w->op[0].is_busy = true;
	w->busy_count++;
}

static struct pending *find_read(struct fake *f)
{
	for (unsigned i = 0; i < f->pending_count; i++)
		if (!f->pending[i].io.is_write)
			return &f->pending[i];
	return NULL;
}

static void reap_until_copy(struct world *w, bool is_reading)
{
	unsigned left = PATIENCE;

	while ((find_read(w->child[0]) != NULL) != is_reading ||
	       w->busy_count != 0) {
		REQUIRE(left-- != 0);
		(void)reap_if_ready(w);
	}
}

static void read_late_slot(struct world *w)
{
	struct op *op = &w->op[0];
	unsigned left = PATIENCE;

	op->io.is_write = false;
	while (swapstore_submit(w->mirror, &op->io) != 0)
		REQUIRE(left-- != 0);
	op->is_busy = true;
	w->busy_count++;
	while (w->busy_count != 0) {
		REQUIRE(left-- != 0);
		(void)reap_if_ready(w);
	}
}

/* The first child loses a slot while it is being copied, and the slot is
 * written anew before the copy's read says so: what was written is not lost,
 * even when only the first child has it left. */
static void copy_that_fails_late_takes_nothing_newer(void **unused)
{
	static struct world w;
	struct store_mirror_status s;
	struct pending *p;

	(void)unused;
	for (seed = 2; seed < 40; seed += 2) {
		state = seed * UINT64_C(0x9e3779b97f4a7c15);
		world_init(&w, 1);
		write_late_slot(&w, 1);
		reap_until_copy(&w, false);
		fake_come_up(w.child[1], false);
		reap_until_copy(&w, true);
		fake_discard(&w.child[0]->base, LATE_SLOT, 1);
		p = find_read(w.child[0]);
		p->is_settled = true;
		p->result = -EIO;
		write_late_slot(&w, 2);
		reap_until_copy(&w, false);
		store_mirror_status_get(w.mirror, &s);
		/* Had it no room for it, there is nothing to be seen. */
		if (anybody_has(&w, LATE_SLOT) &&
		    fake_look(w.child[0], LATE_SLOT) != NULL) {
			REQUIRE(s.slots[0] == 1);
			fake_go_down(w.child[1]);
			fake_come_up(w.child[1], true);
			read_late_slot(&w);
			REQUIRE(w.good_reads == 1);
		}
		world_fini(&w);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(who_sleeps_is_woken),
		cmocka_unit_test(who_cannot_read_is_left_alone),
		cmocka_unit_test(demand_goes_before_readahead),
		cmocka_unit_test(copy_that_fails_late_takes_nothing_newer),
	};

	if (tier_is_night())
		seed_count = 12;
	if (argc == 3) {
		first_seed = (unsigned)atoi(argv[1]);
		seed_count = (unsigned)atoi(argv[2]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
