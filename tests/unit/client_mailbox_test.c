/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/mailbox.c promises (X1 ... X6) against a daemon that
 * is a thread of the test, or silence: only a sealed file of the right size is
 * mapped, and never while somebody is in the last one; answers that are wrong,
 * late or garbage are errors and leave no cell behind; the end of the session
 * ends every wait; where the daemon cannot be rung, nobody relies on it. */
#include "client/fault/mailbox.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEGMENT = 7, PAGE = 11, LONG_NS = 1000000000 };
#define NEVER_NS	(UINT64_C(600) * LONG_NS)

static struct box box;
static struct bell bell;	/* of no session: nothing can be rung */
static struct region region;

static int make_file(size_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int open_file(size_t size, int seals, uint64_t generation)
{
	int fd = make_file(size, seals);
	int err = box_open(&box, fd, generation);

	close(fd);
	return err;
}

static int open_next(uint64_t generation)
{
	return open_file(sizeof(struct mailbox), F_SEAL_SHRINK | F_SEAL_GROW,
			 generation);
}

/* The daemon is awake, so nobody has to ring. */
static int begin(void **state)
{
	(void)state;
	memset(&box, 0, sizeof(box));
	box.bell = &bell;
	atomic_store(&region.state, REGION_LIVE);
	atomic_store(&region.segment, SEGMENT);
	assert_int_equal(open_next(1), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&box.users), 0);
	assert_int_equal(atomic_load(&box.asking), 0);
	box_close(&box);
	box_fini(&box);
	return 0;
}

static unsigned cells_in(enum mailbox_state state)
{
	unsigned count = 0;

	for (size_t i = 0; i < MAILBOX_CELLS; i++)
		count += atomic_load(&box.shared->cell[i].state) == state;
	return count;
}

static int ask(uint64_t wait_ns, struct box_answer *ret_answer)
{
	return box_ask(&box, &region, PAGE, false, clock_now_ns() + wait_ns,
		       ret_answer);
}

/* ---- a daemon that answers one request */

struct reply {
	uint16_t type;
	uint32_t segment;
	uint64_t page;
	uint32_t error;
	uint32_t frame_bytes;		/* 0: as long as it is */
};

static struct mailbox_cell *next_asked(void)
{
	uint64_t asked;

	while ((asked = atomic_exchange(&box.shared->asked, 0)) == 0)
		sched_yield();
	return &box.shared->cell[__builtin_ctzll(asked)];
}

static atomic_bool has_begun;

static void *answer_one(void *arg)
{
	const struct reply *reply = arg;
	struct mailbox_cell *cell;
	Memd__FaultReply m = MEMD__FAULT_REPLY__INIT;
	struct wire_header h;

	atomic_store(&has_begun, true);
	cell = next_asked();
	assert_int_equal(wire_header_unpack(cell->frame, cell->frame_bytes -
					    WIRE_HEADER_BYTES, &h), 0);
	m.segment = reply->segment;
	m.page = reply->page;
	m.has_error = reply->error != 0;
	m.error = reply->error;
	m.has_first = m.has_count = true;
	m.first = reply->page - 1;
	m.count = 4;
	cell->frame_bytes = (uint32_t)wire_pack(reply->type, h.request_id,
						&m.base, 0, cell->frame,
						sizeof(cell->frame));
	if (reply->frame_bytes != 0)
		cell->frame_bytes = reply->frame_bytes;
	atomic_store(&cell->state, CELL_ANSWERED);
	atomic_fetch_or(&box.shared->answered, UINT64_C(1)
					       << (cell - box.shared->cell));
	return NULL;
}

/* Ask, and get this. */
static int exchange(struct reply reply, struct box_answer *ret_answer)
{
	pthread_t daemon;
	int err;

	atomic_store(&has_begun, false);
	assert_int_equal(pthread_create(&daemon, NULL, answer_one, &reply), 0);
	/* Who is not seen for a while rings, and here is nobody to be rung. */
	while (!atomic_load(&has_begun))
		sched_yield();
	err = ask(NEVER_NS, ret_answer);
	pthread_join(daemon, NULL);
	assert_int_equal(cells_in(CELL_FREE), MAILBOX_CELLS);
	return err;
}

#define GOOD	{ MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY, SEGMENT, PAGE, 0, 0 }

/* ---- tests */

static void only_mailboxes_are_mapped(void **state)
{
	(void)state;
	box_close(&box);
	assert_int_equal(open_file(sizeof(struct mailbox), 0, 2), -EPROTO);
	assert_int_equal(open_file(sizeof(struct mailbox), F_SEAL_GROW, 2),
			 -EPROTO);
	assert_int_equal(open_file(sizeof(struct mailbox) - 1, F_SEAL_SHRINK,
				   2), -EPROTO);
	assert_int_equal(open_file(sizeof(struct mailbox) + 4096,
				   F_SEAL_SHRINK, 2), -EPROTO);
	assert_int_equal(box_open(&box, -1, 2), -EPROTO);
	assert_int_equal(open_next(2), 0);
	assert_int_equal(open_next(3), -EEXIST);
}

static void answers_are_taken(void **state)
{
	struct reply good = GOOD;
	struct box_answer a;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(exchange(good, &a), 0);
		assert_int_equal(a.first, PAGE - 1);
		assert_int_equal(a.count, 4);
	}
}

/* As the engine of this process sees a cell, and answers it. */
static void *map_one(void *arg)
{
	struct mailbox_cell *cell = next_asked();
	unsigned idx = (unsigned)(cell - box.shared->cell);
	uint64_t page = 0;

	(void)arg;
	assert_ptr_equal(box_asked(&box, idx, &page), &region);
	assert_int_equal(page, PAGE);
	assert_null(box_asked(&box, (idx + 1) % MAILBOX_CELLS, &page));
	assert_null(box_asked(&box, MAILBOX_CELLS, &page));
	box_announce(&box, idx);
	atomic_store(&cell->state, CELL_MAPPED);
	return NULL;
}

static void mapped_pages_need_no_frame(void **state)
{
	struct reply good = GOOD;
	struct box_answer a;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		pthread_t daemon;

		assert_int_equal(pthread_create(&daemon, NULL, map_one, NULL),
				 0);
		assert_int_equal(ask(NEVER_NS, &a), 0);
		assert_true(a.is_mapped);
		pthread_join(daemon, NULL);
		assert_int_equal(cells_in(CELL_FREE), MAILBOX_CELLS);
		assert_int_equal(exchange(good, &a), 0);
		assert_false(a.is_mapped);
	}
}

/* Not before it is known where the asking thread looks. */
static void *map_when_seen(void *arg)
{
	const int *cpu = arg;
	struct mailbox_cell *cell = next_asked();
	unsigned idx = (unsigned)(cell - box.shared->cell);

	while (!box_is_on_cpu(&box, idx, *cpu))
		sched_yield();
	assert_false(box_is_on_cpu(&box, idx, *cpu + 1));
	atomic_store(&cell->state, CELL_MAPPED);
	return NULL;
}

static void where_somebody_waits_is_known(void **state)
{
	cpu_set_t before, one;
	struct box_answer a;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		int cpu = (int)i;
		pthread_t daemon;

		if (!CPU_ISSET(i, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(pthread_create(&daemon, NULL, map_when_seen,
						&cpu), 0);
		assert_int_equal(ask(NEVER_NS, &a), 0);
		pthread_join(daemon, NULL);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void wrong_answers_are_errors(void **state)
{
	struct reply bad[] = { GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD };
	struct box_answer a;

	(void)state;
	bad[0].type = MEMD__MESSAGE_TYPE__TYPE_TOUCHED;
	bad[1].segment++;
	bad[2].page++;
	bad[3].error = EBUSY;
	bad[4].frame_bytes = WIRE_HEADER_BYTES - 1;
	bad[5].frame_bytes = WIRE_HEADER_BYTES + 1;
	bad[6].frame_bytes = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(exchange(bad[i], &a), -EIO);
}

static void who_gives_up_leaves_the_cell(void **state)
{
	struct box_answer a;

	(void)state;
	for (unsigned i = 0; i < MAILBOX_CELLS; i++)
		assert_int_equal(ask(1, &a), -EIO);
	assert_int_equal(cells_in(CELL_LEFT), MAILBOX_CELLS);
	/* There is none any more: another way, at once. */
	assert_int_equal(ask(NEVER_NS, &a), -EAGAIN);
	assert_int_equal(box_tell_touched(&box, &region, PAGE), -EAGAIN);
}

static void nobody_asks_without_a_session(void **state)
{
	struct box_answer a;

	(void)state;
	atomic_store(&region.state, REGION_JOINING);
	assert_int_equal(ask(NEVER_NS, &a), -EAGAIN);
	atomic_store(&region.state, REGION_LIVE);
	box_close(&box);
	assert_int_equal(ask(NEVER_NS, &a), -EAGAIN);
	assert_int_equal(cells_in(CELL_FREE), MAILBOX_CELLS);
}

static void *ask_for_ever(void *arg)
{
	struct box_answer a;

	*(int *)arg = ask(NEVER_NS, &a);
	return NULL;
}

static void the_end_of_the_session_ends_waits(void **state)
{
	enum { THREADS = 8 };
	pthread_t thread[THREADS];
	int result[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_for_ever,
						&result[i]), 0);
	while (cells_in(CELL_ASKED) < THREADS)
		sched_yield();
	/* They have been seen, so no one feels that he has to ring. */
	atomic_store(&box.shared->asked, 0);
	box_close(&box);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(result[i], -EIO);
	}
	assert_int_equal(cells_in(CELL_LEFT), THREADS);
	assert_int_equal(open_next(2), 0);
	assert_int_equal(cells_in(CELL_FREE), MAILBOX_CELLS);
}

static void none_is_mapped_while_somebody_is_inside(void **state)
{
	struct mailbox *last = box.shared;

	(void)state;
	atomic_fetch_add(&box.users, 1);
	box_close(&box);
	assert_int_equal(open_next(2), -EBUSY);
	assert_ptr_equal(box.shared, last);
	assert_int_equal(atomic_load(&last->asked), 0);	/* and is there */
	atomic_fetch_sub(&box.users, 1);
	assert_int_equal(open_next(2), 0);
}

static void who_cannot_ring_lets_others(void **state)
{
	struct box_answer a;

	(void)state;
	atomic_store(&box.shared->daemon_sleeps, 1);
	assert_int_equal(ask(NEVER_NS, &a), -EIO);
	assert_int_equal(atomic_load(&box.shared->daemon_sleeps), 1);
	assert_int_equal(cells_in(CELL_LEFT), 1);
	assert_int_equal(box_tell_touched(&box, &region, PAGE), 0);
	assert_int_equal(atomic_load(&box.shared->daemon_sleeps), 1);
}

/* The library's thread has relied on a thread that could not ring. */
static void the_library_rings_for_who_could_not(void **state)
{
	bool must_ring;

	(void)state;
	atomic_store(&box.shared->daemon_sleeps, 1);
	assert_false(box_must_ring(&box));	/* nothing is asked */
	atomic_store(&box.shared->daemon_sleeps, 0);
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 5,
				  NULL, &must_ring), 0);
	assert_false(must_ring);
	assert_false(box_must_ring(&box));
	atomic_store(&box.shared->daemon_sleeps, 1);
	assert_true(box_must_ring(&box));
	assert_int_equal(atomic_load(&box.shared->daemon_sleeps), 0);
	assert_false(box_must_ring(&box));
	box_close(&box);
	atomic_store(&box.shared->daemon_sleeps, 1);
	assert_false(box_must_ring(&box));
}

/* What was told, and could not be rung for, does not take all cells for good.
 */
static void the_library_rings_where_no_cell_is_free(void **state)
{
	bool must_ring;

	(void)state;
	atomic_store(&box.shared->daemon_sleeps, 1);
	for (unsigned i = 0; i < MAILBOX_CELLS; i++)
		assert_int_equal(box_tell_touched(&box, &region, PAGE), 0);
	assert_int_equal(cells_in(CELL_ASKED), MAILBOX_CELLS);
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 5,
				  NULL, &must_ring), -EAGAIN);
	assert_true(box_must_ring(&box));
}

/* Somebody else was to ring, and has not. */
static void who_is_not_seen_does_not_rely_on_others(void **state)
{
	struct box_answer a;

	(void)state;
	assert_int_equal(ask(NEVER_NS, &a), -EIO);
	assert_int_equal(atomic_load(&box.overslept), 0);
	assert_int_equal(atomic_load(&box.shared->daemon_sleeps), 1);
}

static void the_library_posts_and_takes(void **state)
{
	uint8_t frame[MAILBOX_FRAME_BYTES];
	Memd__Fault m = MEMD__FAULT__INIT;
	struct reply good = GOOD;
	uint64_t page = PAGE;
	struct wire_header h;
	bool must_ring;

	(void)state;
	m.n_page = 1;
	m.page = &page;
	assert_int_equal(box_sleep(&box), -1);
	assert_false(box_wake(&box, true));
	atomic_store(&box.shared->daemon_sleeps, 1);
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 5,
				  &m.base, &must_ring), 0);
	assert_true(must_ring);
	assert_true(box_is_worth_waiting(&box));
	assert_false(box_look(&box));
	assert_true(box_sleep(&box) > 0);
	assert_int_equal(atomic_load(&box.shared->library_sleeps), 1);
	/* In vain, and the daemon has not even seen it. */
	assert_true(box_wake(&box, true));
	assert_int_equal(atomic_load(&box.shared->library_sleeps), 0);
	assert_false(box_next(&box, frame, &h));
	answer_one(&good);
	assert_int_equal(box_sleep(&box), 0);
	assert_false(box_wake(&box, false));
	assert_true(box_look(&box));
	assert_true(box_next(&box, frame, &h));
	assert_int_equal(h.type, MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY);
	assert_int_equal(h.request_id, 5);
	assert_false(box_next(&box, frame, &h));
	assert_false(box_is_worth_waiting(&box));
	assert_int_equal(cells_in(CELL_FREE), MAILBOX_CELLS);
}

/* Where the daemon is not on this processor, or does not say, we may look. */
static void the_daemon_needs_its_processor(void **state)
{
	cpu_set_t before, one;
	uint32_t here = (uint32_t)sched_getcpu();

	(void)state;
	CPU_ZERO(&one);
	CPU_SET(here, &one);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_false(box_is_in_the_way(&box));
	atomic_store(&box.shared->daemon_cpu, here + 1);
	assert_true(box_is_in_the_way(&box));
	atomic_store(&box.shared->daemon_cpu, here + 2);
	assert_false(box_is_in_the_way(&box));
	atomic_store(&box.shared->daemon_cpu, UINT32_MAX);
	assert_false(box_is_in_the_way(&box));
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void garbage_for_the_library_is_known(void **state)
{
	uint8_t frame[MAILBOX_FRAME_BYTES];
	struct reply bad = GOOD;
	struct wire_header h;
	bool must_ring;

	(void)state;
	/* Answered, says the daemon, and it is not. */
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 5,
				  NULL, &must_ring), 0);
	assert_false(must_ring);
	atomic_store(&box.shared->answered, UINT64_MAX);
	assert_true(box_next(&box, frame, &h));
	assert_int_equal(h.type, MEMD__MESSAGE_TYPE__TYPE_NONE);
	assert_false(box_next(&box, frame, &h));
	atomic_store(&box.shared->answered, 0);
	atomic_store(&box.shared->asked, 0);
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 6,
				  NULL, &must_ring), 0);
	bad.frame_bytes = UINT32_MAX;
	answer_one(&bad);
	assert_true(box_next(&box, frame, &h));
	assert_int_equal(h.type, MEMD__MESSAGE_TYPE__TYPE_NONE);
	assert_int_equal(cells_in(CELL_FREE), MAILBOX_CELLS);
}

static void what_was_posted_ends_with_the_session(void **state)
{
	uint8_t frame[MAILBOX_FRAME_BYTES];
	struct wire_header h;
	bool must_ring;

	(void)state;
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 5,
				  NULL, &must_ring), 0);
	box_close(&box);
	atomic_store(&box.shared->answered, UINT64_MAX);
	assert_false(box_next(&box, frame, &h));
	assert_int_equal(box_post(&box, MEMD__MESSAGE_TYPE__TYPE_FAULT, 6,
				  NULL, &must_ring), -EAGAIN);
	assert_int_equal(open_next(2), 0);
	assert_false(box_next(&box, frame, &h));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_mailboxes_are_mapped),
		TEST(answers_are_taken),
		TEST(mapped_pages_need_no_frame),
		TEST(where_somebody_waits_is_known),
		TEST(wrong_answers_are_errors),
		TEST(who_gives_up_leaves_the_cell),
		TEST(nobody_asks_without_a_session),
		TEST(the_end_of_the_session_ends_waits),
		TEST(none_is_mapped_while_somebody_is_inside),
		TEST(who_cannot_ring_lets_others),
		TEST(the_library_rings_for_who_could_not),
		TEST(the_library_rings_where_no_cell_is_free),
		TEST(who_is_not_seen_does_not_rely_on_others),
		TEST(the_library_posts_and_takes),
		TEST(the_daemon_needs_its_processor),
		TEST(garbage_for_the_library_is_known),
		TEST(what_was_posted_ends_with_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
