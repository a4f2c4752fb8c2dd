/* SPDX-License-Identifier: MIT */
/* Proves that a user who keeps the lock of a data file - by a write(2) from
 * memory whose page faults nobody answers - harms no other user, and loses
 * nothing: others go on paging and read their bytes; memd loses one helper
 * process to that user and no more; the frames stay charged, and the user gets
 * no new segments; and when the write ends, everything is as before.  memd
 * stops in order while it does not (it checks its tables then).
 *
 * Nine users at once, more than memd has helpers to begin with, make no
 * difference. */
#include "client/include/memclient.h"
#include "tests/integration/daemon_client.h"
#include "tests/integration/helpers_seen.h"
#include "tests/integration/lock_holder.h"
#include "tests/skip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	MIB = 1 << 20,
	PAGE = 4096,
	HELD_PAGES = 256,
	HONEST_BYTES = 24 * MIB,	/* of a pool of 16 */
	MANY = 12,			/* files of one session */
	USERS = 9,
	FIRST_UID = 20001,
	SPARE_HELPERS = 6,		/* that are not stuck: four, one for
					 * swap files, and one that a busy
					 * machine keeps waiting */
};

static struct testmemd memd;
static int admin = -1;

/* ---- the hostile one */

static int open_as(uid_t uid)
{
	int fd;

	assert_int_equal(seteuid(uid), 0);
	fd = client_open_bare(&memd);
	assert_int_equal(seteuid(0), 0);
	client_hand_over(fd);
	return fd;
}

static void make_resident(int fd, uint32_t segment, uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page++) {
		client_send_fault(fd, 50 + page, segment, page);
		assert_int_equal(client_receive_fault(fd, 50 + page, page), 0);
	}
}

static void send_pageout(int fd, uint32_t segment, uint64_t pages)
{
	client_send_advise(fd, 49, segment, 0, pages,
			   MEMD__ADVICE__ADVICE_PAGEOUT);
}

/* What is in the page before somebody keeps the lock. */
static uint64_t held_word(uint64_t page)
{
	return (page + 1) * UINT64_C(0xd1342543de82ef95);
}

/* The pages are present, because nobody else has used the pool yet: these
 * writes go past nobody. */
static void write_words(int data, uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t word = held_word(page);

		assert_int_equal(pwrite(data, &word, sizeof(word),
					(off_t)(page * PAGE)), sizeof(word));
	}
}

static uint64_t read_word(int fd, uint32_t segment, int data, uint64_t page)
{
	uint64_t word = 0;
	uint32_t error;

	/* memd may not know yet that the write has ended. */
	do {
		client_send_fault(fd, 50 + page, segment, page);
		error = client_receive_fault(fd, 50 + page, page);
	} while (error == EBUSY);
	assert_int_equal(error, 0);
	assert_int_equal(pread(data, &word, sizeof(word),
			       (off_t)(page * PAGE)), sizeof(word));
	return word;
}

/* The lock is nobody's any more: each page can be had, and has its bytes. */
static void expect_words(int fd, uint32_t segment, int data, uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t word = read_word(fd, segment, data, page);

		/* It may have left again before it was read: a hole. */
		for (unsigned i = 0; i < 100 && word == 0; i++)
			word = read_word(fd, segment, data, page);
		assert_int_equal(word, held_word(page));
	}
}

/* Helpers that sleep at each of many looks. */
static unsigned stuck_helpers(void)
{
	unsigned least = UINT32_MAX;

	for (unsigned i = 0; i < 20; i++) {
		unsigned count = helpers_count(memd.pid, 'D');

		least = count < least ? count : least;
		usleep(1000);
	}
	return least;
}

/* Pages that were being taken out when the lock was met: they cannot be had,
 * and who asks is told to ask again.  Returns how many. */
static unsigned count_held(int fd, uint32_t segment, uint64_t pages)
{
	unsigned held = 0;

	for (uint64_t page = 0; page < pages; page++) {
		uint32_t error;

		client_send_fault(fd, 50 + page, segment, page);
		error = client_receive_fault(fd, 50 + page, page);
		assert_true(error == 0 || error == EBUSY);
		held += error != 0;
	}
	return held;
}

/* ---- the honest one */

struct honest {
	struct memclient *mc;
	uint64_t *word;
};

static uint64_t word_of(size_t idx, uint64_t round)
{
	return (idx + 1) * UINT64_C(0x9e3779b97f4a7c15) + round;
}

static void honest_fill(struct honest *h, uint64_t round)
{
	for (size_t i = 0; i < HONEST_BYTES / sizeof(uint64_t); i++)
		h->word[i] = word_of(i, round);
}

static void honest_verify(const struct honest *h, uint64_t round)
{
	for (size_t i = 0; i < HONEST_BYTES / sizeof(uint64_t); i++)
		if (h->word[i] != word_of(i, round))
			fail_msg("word %zu: %#llx, not %#llx", i,
				 (unsigned long long)h->word[i],
				 (unsigned long long)word_of(i, round));
}

static void honest_open(struct honest *h)
{
	/* A minute: a hang, not a wait for memd to lose patience. */
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 60000 };

	assert_int_equal(memclient_open(memd.socket, &o, &h->mc), 0);
	assert_int_equal(memclient_map(h->mc, HONEST_BYTES, NULL,
				       (void **)&h->word), 0);
}

/* ---- */

static void expect_nothing_left(void)
{
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "free_frames",
			     client_counter(admin, "frame_count"));
	client_await_counter(admin, "free_slots",
			     client_counter(admin, "slot_count"));
}

static void expect_create_refused(void)
{
	int fd = open_as(FIRST_UID);

	client_send_create(fd, 7, "refused", MIB, 0600);
	client_expect_error(fd, 7, EAGAIN, "does not end");
	close(fd);
}

static uint64_t evicted(void)
{
	return client_counter(admin, "evicted");
}

/* The honest one goes on: faults and evictions. */
static void expect_paging(struct honest *h, uint64_t *round)
{
	uint64_t before = evicted();

	for (unsigned i = 0; i < 2; i++) {
		honest_fill(h, ++*round);
		honest_verify(h, *round);
	}
	assert_true(evicted() - before >= HONEST_BYTES / PAGE);
}

static void lock_of_a_private_segment(void **state)
{
	uint64_t round = 0;
	struct honest h;
	uint32_t segment;
	int hostile, data;
	unsigned held;
	pid_t writer;

	(void)state;
	hostile = open_as(FIRST_UID);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	write_words(data, HELD_PAGES);
	honest_open(&h);
	writer = lock_holder_start(data);
	send_pageout(hostile, segment, HELD_PAGES);
	/* memd is on its way into the trap, or in it. */
	expect_paging(&h, &round);
	client_await_counter(admin, "segments_locked", 1);
	client_expect_error(hostile, 49, EBUSY, NULL);
	assert_int_equal(testmemd_log_count(&memd, "segment-locked"), 1);
	assert_int_equal(stuck_helpers(), 1);
	expect_create_refused();
	held = count_held(hostile, segment, HELD_PAGES);
	assert_true(held > 0);
	expect_paging(&h, &round);
	memclient_close(h.mc);
	/* What the writer keeps is counted: all there is of its segment. */
	client_await_counter(admin, "committed_units", HELD_PAGES);
	client_await_counter(admin, "resident_frames", HELD_PAGES - held);
	client_await_counter(admin, "evicting_frames", held);
	lock_holder_end(writer);
	expect_words(hostile, segment, data, HELD_PAGES);
	send_pageout(hostile, segment, HELD_PAGES);
	client_expect_ok(hostile, 49);
	expect_words(hostile, segment, data, HELD_PAGES);
	close(hostile);
	close(data);
	expect_nothing_left();
	honest_open(&h);
	memclient_close(h.mc);
	expect_nothing_left();
}

/* The session ends while its segment is locked. */
static void lock_of_a_segment_that_goes(void **state)
{
	uint32_t segment;
	int hostile, data;
	pid_t writer;

	(void)state;
	hostile = open_as(FIRST_UID);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	writer = lock_holder_start(data);
	close(hostile);
	client_await_counter(admin, "segments_locked", 1);
	expect_create_refused();
	client_await_counter(admin, "committed_units", HELD_PAGES);
	lock_holder_end(writer);
	close(data);
	expect_nothing_left();
}

/* The clock comes to its pages without its doing. */
static void lock_is_met_by_the_clock(void **state)
{
	uint64_t before = client_counter(admin, "segments_locked"), round = 0;
	struct honest h;
	uint32_t segment;
	int hostile, data;
	pid_t writer;

	(void)state;
	hostile = open_as(FIRST_UID);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	write_words(data, HELD_PAGES);
	writer = lock_holder_start(data);
	honest_open(&h);
	while (client_counter(admin, "segments_locked") == before) {
		assert_true(round < 100);
		honest_fill(&h, ++round);
		honest_verify(&h, round);
	}
	lock_holder_end(writer);
	honest_verify(&h, round);
	expect_words(hostile, segment, data, HELD_PAGES);
	memclient_close(h.mc);
	close(hostile);
	close(data);
	expect_nothing_left();
}

/* One client with many locked files keeps one helper, and no more. */
static void locks_of_many_files(void **state)
{
	int hostile = open_as(FIRST_UID), data[MANY];
	pid_t writer[MANY];
	uint32_t segment[MANY];
	uint64_t round = 0;
	struct honest h;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		data[i] = client_map(hostile, 16 * PAGE, PAGE, &segment[i]);
		make_resident(hostile, segment[i], 16);
		write_words(data[i], 16);
		writer[i] = lock_holder_start(data[i]);
	}
	honest_open(&h);
	for (unsigned i = 0; i < MANY; i++)
		send_pageout(hostile, segment[i], 16);
	client_await_counter(admin, "segments_locked", 1);
	expect_paging(&h, &round);
	expect_paging(&h, &round);
	assert_int_equal(client_counter(admin, "segments_locked"), 1);
	assert_int_equal(stuck_helpers(), 1);
	for (unsigned i = 0; i < MANY; i++)
		client_expect_error(hostile, 49, EBUSY, NULL);
	memclient_close(h.mc);
	for (unsigned i = 0; i < MANY; i++) {
		lock_holder_end(writer[i]);
		expect_words(hostile, segment[i], data[i], 16);
		close(data[i]);
	}
	close(hostile);
	expect_nothing_left();
}

/* Who shares a segment with a hostile one waits for its pages, loses none of
 * them, and has everything else. */
static void lock_of_a_shared_segment(void **state)
{
	int hostile = open_as(FIRST_UID);
	int sharer = client_open(&memd, false, NULL);
	Memd__SegmentUnlink unlink = MEMD__SEGMENT_UNLINK__INIT;
	uint32_t segment, shared, own;
	int data, other, private;
	struct answer a;
	pid_t writer;

	(void)state;
	client_send_create(hostile, 7, "shared", MIB, 0666);
	client_receive(hostile, T(SEGMENT_REPLY), 7, &a);
	answer_free(&a);
	data = client_attach(hostile, "shared", false, &segment);
	other = client_attach(sharer, "shared", false, &shared);
	private = client_map(sharer, MIB, PAGE, &own);
	make_resident(hostile, segment, HELD_PAGES);
	write_words(data, HELD_PAGES);
	writer = lock_holder_start(data);
	send_pageout(hostile, segment, HELD_PAGES);
	client_await_counter(admin, "segments_locked", 1);
	client_expect_error(hostile, 49, EBUSY, NULL);
	assert_true(count_held(sharer, shared, HELD_PAGES) > 0);
	make_resident(sharer, own, HELD_PAGES);
	send_pageout(sharer, own, HELD_PAGES);
	client_expect_ok(sharer, 49);
	lock_holder_end(writer);
	expect_words(sharer, shared, other, HELD_PAGES);
	unlink.name = (char *)"shared";
	client_send(hostile, T(SEGMENT_UNLINK), 8, &unlink.base);
	client_expect_ok(hostile, 8);
	close(hostile);
	close(sharer);
	close(data);
	close(other);
	close(private);
	expect_nothing_left();
}

/* ---- nine users at once */

struct user {
	int fd, data;
	uint32_t segment;
	pid_t writer;
};

static void user_open(struct user *u, uid_t uid)
{
	u->fd = open_as(uid);
	u->data = client_map(u->fd, MIB, PAGE, &u->segment);
	make_resident(u->fd, u->segment, HELD_PAGES);
	write_words(u->data, HELD_PAGES);
}

static void locks_of_nine_users(void **state)
{
	struct user user[USERS];
	uint64_t round = 0;
	struct honest h;

	(void)state;
	for (unsigned i = 0; i < USERS; i++)
		user_open(&user[i], FIRST_UID + i);
	honest_open(&h);
	for (unsigned i = 0; i < USERS; i++)
		user[i].writer = lock_holder_start(user[i].data);
	for (unsigned i = 0; i < USERS; i++)
		send_pageout(user[i].fd, user[i].segment, HELD_PAGES);
	expect_paging(&h, &round);
	client_await_counter(admin, "segments_locked", USERS);
	assert_int_equal(stuck_helpers(), USERS);
	assert_true(helpers_count(memd.pid, 0) <= USERS + SPARE_HELPERS);
	/* All nine are locked, and will be: nobody else has to wait for any of
	 * them, not even for a frame. */
	expect_paging(&h, &round);
	expect_paging(&h, &round);
	assert_int_equal(client_counter(admin, "segments_locked"), USERS);
	assert_int_equal(client_counter(admin, "faults_refused"), 0);
	for (unsigned i = 0; i < USERS; i++) {
		client_expect_error(user[i].fd, 49, EBUSY, NULL);
		assert_true(count_held(user[i].fd, user[i].segment,
				       HELD_PAGES) > 0);
	}
	for (unsigned i = 0; i < USERS; i++)
		lock_holder_end(user[i].writer);
	for (unsigned i = 0; i < USERS; i++) {
		expect_words(user[i].fd, user[i].segment, user[i].data,
			     HELD_PAGES);
		send_pageout(user[i].fd, user[i].segment, HELD_PAGES);
		client_expect_ok(user[i].fd, 49);
	}
	honest_verify(&h, round);
	memclient_close(h.mc);
	for (unsigned i = 0; i < USERS; i++) {
		expect_words(user[i].fd, user[i].segment, user[i].data,
			     HELD_PAGES);
		close(user[i].fd);
		close(user[i].data);
	}
	expect_nothing_left();
}

static int start(void)
{
	if (testmemd_start(&memd, NULL) != 0 || chmod(memd.dir, 0711) != 0 ||
	    chmod(memd.socket, 0666) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

/* `is_known`: memd has met the lock before it is told to stop. */
static void stop_while_locked(bool is_known)
{
	uint32_t segment;
	int hostile, data;
	pid_t writer;

	assert_int_equal(start(), 0);
	hostile = open_as(FIRST_UID);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	writer = lock_holder_start(data);
	if (is_known) {
		send_pageout(hostile, segment, HELD_PAGES);
		client_await_counter(admin, "segments_locked", 1);
	}
	close(admin);
	assert_int_equal(testmemd_stop(&memd), 0);
	lock_holder_end(writer);
	close(hostile);
	close(data);
}

static void memd_stops_with_a_known_lock(void **state)
{
	(void)state;
	stop_while_locked(true);
}

static void memd_stops_with_an_unknown_lock(void **state)
{
	(void)state;
	stop_while_locked(false);
}

static int begin(void **state)
{
	(void)state;
	return start();
}

static int end(void **state)
{
	(void)state;
	close(admin);
	return testmemd_stop(&memd);
}

#define WITH_MEMD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MEMD(lock_of_a_private_segment),
		WITH_MEMD(lock_of_a_segment_that_goes),
		WITH_MEMD(lock_is_met_by_the_clock),
		WITH_MEMD(locks_of_many_files),
		WITH_MEMD(lock_of_a_shared_segment),
		WITH_MEMD(locks_of_nine_users),
		cmocka_unit_test(memd_stops_with_a_known_lock),
		cmocka_unit_test(memd_stops_with_an_unknown_lock),
	};

	int err = lock_holder_check();

	if (geteuid() != 0) {
		printf("skipped: needs root, to be several users\n");
		return SKIP_STATUS;
	}
	if (err != 0) {
		printf("skipped: no userfaultfd that sees faults of the "
		       "kernel: %s\n", strerror(-err));
		return SKIP_STATUS;
	}
	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
