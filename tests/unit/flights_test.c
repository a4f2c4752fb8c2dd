/* SPDX-License-Identifier: MIT */
/* Proves, with real data files and processes that really keep their locks,
 * that a capture is not waited for; that whoever keeps a lock keeps one
 * helper, and delays nobody else; that what is written until the punch is in
 * the bytes; and that neither a killed helper nor one that is stuck loses
 * any. */
#include "daemon/backing/backing.h"

#include "daemon/backing/punch_helper.h"
#include "tests/integration/helpers_seen.h"
#include "tests/integration/lock_holder.h"
#include "tests/skip.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	FILES = 12, UNITS = 16, BYTES = UNITS * PAGER_UNIT_BYTES,
	HANG_MS = 60000,		/* of a test that has failed */
};

static struct backing *backing;
static uint8_t staged[BYTES];

/* ---- the clock */

static struct timespec shift;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int err = __real_clock_gettime(id, ts);

	ts->tv_sec += shift.tv_sec;
	return err;
}

/* ---- whether memd sleeps for a flight */

static unsigned lent_count;

void __real_puncher_lend(struct puncher *p, uint32_t first, unsigned count,
			 uint64_t limit_ns);
void __wrap_puncher_lend(struct puncher *p, uint32_t first, unsigned count,
			 uint64_t limit_ns);

void __wrap_puncher_lend(struct puncher *p, uint32_t first, unsigned count,
			 uint64_t limit_ns)
{
	lent_count++;
	/* All can be late, at any time. */
	if (lent_count % 3 == 0)
		limit_ns = 1;
	__real_puncher_lend(p, first, count, limit_ns);
}

/* ---- */

static struct flights *flights(void)
{
	return backing_flights(backing);
}

static int fd_of(segment_id id)
{
	return backing_fd(backing, id);
}

/* Make the file of the segment, full of `byte`. */
static void add_file(segment_id id, uint32_t user, uint8_t byte)
{
	static uint8_t bytes[BYTES];

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(backing_add(backing, id, BYTES, user, "test"), 0);
	assert_int_equal(backing_install(backing, id, 0, UNITS, bytes), 0);
}

static struct pager_capture capture(segment_id id, void *to)
{
	struct pager_capture c = {
		.segment = id, .count = UNITS, .to = to,
	};

	backing_capture(backing, &c, 1);
	return c;
}

static void expect_bytes(uint8_t byte)
{
	for (size_t i = 0; i < BYTES; i++)
		assert_int_equal(staged[i], byte);
}

/* Wait for the next event. */
static struct backing_event next_event(void)
{
	struct backing_event event;

	for (;;) {
		struct pollfd pfd = {
			.fd = flights_event_fd(flights()), .events = POLLIN,
		};

		if (backing_next_event(backing, &event))
			return event;
		assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
		flights_reap(flights());
	}
}

/* The captures of the ticket have ended well. */
static void expect_landed(uint32_t ticket, void *to)
{
	struct pager_capture run[PAGER_CAPTURES_MAX];
	struct backing_event event = next_event();

	assert_int_equal(event.ticket, ticket);
	assert_false(event.is_stuck);
	assert_int_equal(backing_collect(backing, ticket, to, run), 1);
	assert_int_equal(run[0].error, 0);
	assert_int_equal(run[0].lost_end, 0);
}

/* Begin to capture the file, whose lock is free or not. */
static uint32_t begin_capture(segment_id id, void *to)
{
	struct pager_capture c = capture(id, to);

	assert_int_equal(c.error, -EINPROGRESS);
	return c.ticket;
}

/* The file can be captured, now. */
static void expect_captured(segment_id id, uint8_t byte)
{
	struct pager_capture c;

	memset(staged, 0, sizeof(staged));
	c = capture(id, staged);
	if (c.error == -EINPROGRESS)
		expect_landed(c.ticket, staged);
	else
		assert_int_equal(c.error, 0);
	expect_bytes(byte);
	assert_int_equal(backing_present_units(backing, id), 0);
}

/* Look until it is told that a flight is stuck. */
static uint32_t next_stuck(void)
{
	struct backing_event event;

	while (!backing_next_event(backing, &event))
		flights_poll(flights());
	assert_true(event.is_stuck);
	return event.ticket;
}

/* Wait until exactly so many helpers wait for a lock. */
static void await_sleepers(unsigned count)
{
	while (helpers_count(getpid(), 'D') != count)
		usleep(1000);
}

static int begin(void **state)
{
	(void)state;
	lent_count = 0;
	return backing_create(FILES, true, &backing);
}

static int end(void **state)
{
	(void)state;
	backing_destroy(backing);
	return 0;
}

static void captures_end_at_once_or_later(void **state)
{
	(void)state;
	for (segment_id id = 1; id <= 4; id++) {
		add_file(id, id, (uint8_t)(10 + id));
		expect_captured(id, (uint8_t)(10 + id));
	}
}

static void a_held_lock_delays_nobody_else(void **state)
{
	uint32_t ticket;
	pid_t holder;

	(void)state;
	add_file(1, 1, 0x11);
	add_file(3, 3, 0x33);
	holder = lock_holder_start(fd_of(1));
	ticket = begin_capture(1, staged);
	await_sleepers(1);
	expect_captured(3, 0x33);
	/* Nothing has happened to the pages yet. */
	memset(backing_bytes(backing, 1, 5), 0x99, PAGER_UNIT_BYTES);
	lock_holder_end(holder);
	expect_landed(ticket, staged);
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(staged[i * PAGER_UNIT_BYTES],
				 i == 5 ? 0x99 : 0x11);
	assert_int_equal(backing_present_units(backing, 1), 0);
}

/* Two users in one call: one is late, the other is not. */
static void users_in_one_call_are_apart(void **state)
{
	static uint8_t to[2][BYTES];
	struct pager_capture c[2] = {
		{ .segment = 1, .count = UNITS, .to = to[0] },
		{ .segment = 2, .count = UNITS, .to = to[1] },
	};
	pid_t holder;

	(void)state;
	add_file(1, 1, 0x11);
	add_file(2, 2, 0x22);
	holder = lock_holder_start(fd_of(1));
	backing_capture(backing, c, 2);
	assert_int_equal(c[0].error, -EINPROGRESS);
	if (c[1].error == -EINPROGRESS)
		expect_landed(c[1].ticket, to[1]);
	else
		assert_int_equal(c[1].error, 0);
	assert_int_equal(to[1][BYTES - 1], 0x22);
	lock_holder_end(holder);
	expect_landed(c[0].ticket, staged);
	expect_bytes(0x11);
}

/* L1.  One user keeps the locks of all its files, and has them captured. */
static void a_user_keeps_one_helper(void **state)
{
	uint32_t ticket[FLIGHTS_OF_USER + 1];
	pid_t holder[FILES];

	(void)state;
	for (segment_id id = 1; id < FILES; id++) {
		add_file(id, 7, 0x11);
		holder[id] = lock_holder_start(fd_of(id));
	}
	add_file(FILES, 8, 0x22);
	for (segment_id id = 1; id < FILES; id++) {
		struct pager_capture c = capture(id, staged);

		assert_int_equal(c.error, id <= FLIGHTS_OF_USER ?
				 -EINPROGRESS : -EAGAIN);
		if (id <= FLIGHTS_OF_USER)
			ticket[id] = c.ticket;
	}
	assert_int_equal(capture(1, NULL).error, -EAGAIN);
	/* L2 */
	assert_int_equal(lent_count, 1);
	await_sleepers(1);
	expect_captured(FILES, 0x22);
	await_sleepers(1);
	for (segment_id id = 1; id < FILES; id++)
		lock_holder_end(holder[id]);
	for (unsigned i = 1; i <= FLIGHTS_OF_USER; i++) {
		expect_landed(ticket[i], staged);
		expect_bytes(0x11);
	}
}

/* As many users as you like: there is always a helper for another one. */
static void helpers_are_made_as_needed(void **state)
{
	pid_t holder[FILES];
	uint32_t ticket[FILES];

	(void)state;
	for (segment_id id = 1; id < FILES; id++) {
		add_file(id, id, (uint8_t)id);
		holder[id] = lock_holder_start(fd_of(id));
		ticket[id] = begin_capture(id, staged);
	}
	await_sleepers(FILES - 1);
	assert_true(FILES - 1 > PUNCHERS_KEPT);
	add_file(FILES, FILES, 0xaa);
	expect_captured(FILES, 0xaa);
	/* All are told to be stuck, and cost nothing more. */
	for (segment_id id = 1; id < FILES; id++)
		(void)next_stuck();
	assert_int_equal(flights_stuck_count(flights()), FILES - 1);
	backing_remove(backing, FILES);
	add_file(FILES, FILES, 0xbb);
	expect_captured(FILES, 0xbb);
	assert_int_equal(flights_missing_helpers(flights()), 0);
	for (segment_id id = 1; id < FILES; id++) {
		lock_holder_end(holder[id]);
		expect_landed(ticket[id], staged);
		expect_bytes((uint8_t)id);
	}
	/* What is not needed any more goes, one at a time. */
	while (helpers_count(getpid(), 0) > PUNCHERS_KEPT) {
		unsigned before = helpers_count(getpid(), 0);

		flights_poll(flights());
		assert_true(before - helpers_count(getpid(), 0) <= 1);
	}
}

static void a_stuck_flight_is_told_and_lands(void **state)
{
	struct backing_report report;
	uint32_t ticket[2];
	pid_t holder;

	(void)state;
	add_file(1, 5, 0x11);
	add_file(2, 5, 0x22);
	holder = lock_holder_start(fd_of(1));
	ticket[0] = begin_capture(1, staged);
	/* It is behind the other, so it is stuck as well. */
	ticket[1] = begin_capture(2, staged);
	assert_false(flights_is_blamed(flights(), 5));
	assert_int_equal(next_stuck(), ticket[0]);
	assert_int_equal(next_stuck(), ticket[1]);
	assert_int_equal(flights_stuck_count(flights()), 1);
	assert_true(flights_is_blamed(flights(), 5));
	assert_false(flights_is_blamed(flights(), 6));
	assert_int_equal(capture(1, NULL).error, -EBUSY);
	assert_true(backing_next_report(backing, &report));
	assert_int_equal(report.why, BACKING_LOCKED);
	assert_int_equal(report.segment, 1);
	assert_int_equal(report.user, 5);
	assert_false(backing_next_report(backing, &report));
	lock_holder_end(holder);
	expect_landed(ticket[0], staged);
	expect_bytes(0x11);
	expect_landed(ticket[1], staged);
	expect_bytes(0x22);
	assert_int_equal(flights_stuck_count(flights()), 0);
	assert_int_equal(flights_returned_count(flights()), 1);
}

/* L3: whatever a helper had done when it was killed, another does all of it. */
static void await_landed_anew(uint32_t ticket, uint8_t byte)
{
	struct pager_capture run[PAGER_CAPTURES_MAX];
	struct backing_event event;

	if (ticket == 0)	/* the signal came later than the capture */
		return;
	for (;;) {
		shift.tv_sec += 2;
		flights_poll(flights());
		if (backing_next_event(backing, &event) && !event.is_stuck)
			break;
		usleep(1000);
	}
	assert_int_equal(event.ticket, ticket);
	assert_int_equal(backing_collect(backing, ticket, staged, run), 1);
	assert_int_equal(run[0].error, 0);
	expect_bytes(byte);
}

/* As long as a killed helper is not known to be dead, there may be none. */
static uint32_t begin_capture_anew(segment_id id)
{
	struct pager_capture c = capture(id, staged);

	while (c.error == -EAGAIN) {
		shift.tv_sec += 2;
		flights_poll(flights());
		c = capture(id, staged);
	}
	return c.error == 0 ? 0 : c.ticket;
}

static void a_killed_helper_loses_nothing(void **state)
{
	uint32_t ticket;
	pid_t holder;

	(void)state;
	/* They wait for work. */
	for (segment_id id = 1; id <= 4; id++) {
		add_file(id, id, (uint8_t)(0x10 + id));
		helpers_signal(getpid(), SIGKILL);
		ticket = begin_capture_anew(id);
		await_landed_anew(ticket, (uint8_t)(0x10 + id));
		assert_int_equal(backing_present_units(backing, id), 0);
	}
	shift.tv_sec += 2;
	flights_poll(flights());
	assert_true(flights_renewed_helpers(flights()) != 0);
	/* A signal does not reach it while it waits for the lock: it ends when
	 * it has it, and may have punched by then. */
	add_file(5, 5, 0x55);
	holder = lock_holder_start(fd_of(5));
	ticket = begin_capture(5, staged);
	await_sleepers(1);
	helpers_signal(getpid(), SIGKILL);
	lock_holder_end(holder);
	await_landed_anew(ticket, 0x55);
	assert_int_equal(backing_present_units(backing, 5), 0);
}

/* A file goes while its lock is held, and a client has written to it: that is
 * not waited for, and a late punch does not hit the file that has its number
 * then. */
static void a_file_that_goes_is_not_waited_for(void **state)
{
	uint8_t page[PAGER_UNIT_BYTES] = { 1 };
	pid_t holder;
	int fd;

	(void)state;
	add_file(1, 1, 0x11);
	fd = dup(fd_of(1));
	assert_true(fd >= 0);
	holder = lock_holder_start(fd);
	backing_remove(backing, 1);
	assert_int_equal(backing_fd(backing, 1), -ENOENT);
	await_sleepers(1);
	add_file(1, 2, 0x22);
	lock_holder_end(holder);
	await_sleepers(0);
	assert_int_equal(pwrite(fd, page, sizeof(page), 0), sizeof(page));
	expect_captured(1, 0x22);
	close(fd);
}

/* The ring is gone round several times, with more files than it has orders. */
static void many_files_follow_each_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * HANDOVER_ORDERS; i++) {
		segment_id id = i % FILES + 1;

		if (backing_fd(backing, id) >= 0)
			backing_remove(backing, id);
		add_file(id, i % 3, (uint8_t)i);
		expect_captured(id, (uint8_t)i);
	}
}

#define WITH_HELPERS(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_HELPERS(captures_end_at_once_or_later),
		WITH_HELPERS(a_held_lock_delays_nobody_else),
		WITH_HELPERS(users_in_one_call_are_apart),
		WITH_HELPERS(a_user_keeps_one_helper),
		WITH_HELPERS(helpers_are_made_as_needed),
		WITH_HELPERS(a_stuck_flight_is_told_and_lands),
		WITH_HELPERS(a_killed_helper_loses_nothing),
		WITH_HELPERS(a_file_that_goes_is_not_waited_for),
		WITH_HELPERS(many_files_follow_each_other),
	};
	int err;

	/* A helper that is made later runs this program. */
	punch_helper_main(argc, argv);
	err = lock_holder_check();
	if (err == 0)
		err = backing_create(1, true, &backing);
	if (err != 0) {
		printf("skipped: no userfaultfd for this: %s\n",
		       strerror(-err));
		return SKIP_STATUS;
	}
	backing_destroy(backing);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
