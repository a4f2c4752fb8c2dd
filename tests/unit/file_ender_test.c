/* SPDX-License-Identifier: MIT */
/* Proves what daemon/engine/file_ender.h promises (E1 ... E4), with real files:
 * the blocks of a file are free when it is done, though a program has it open;
 * while a read of one does not end, neither it nor the others of its payer are
 * done, and all that are of other payers are; and a killed helper leaves
 * nothing undone. */
#include "daemon/engine/file_ender.h"

#include "daemon/backing/punch_helper.h"
#include "swapstore/swap_files.h"
#include "tests/integration/helpers_seen.h"
#include "tests/integration/lock_holder.h"
#include "tests/skip.h"
#include "tests/temporary.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XFS_MAGIC	0x58465342u

enum {
	BYTES = SWAP_FILE_SLOTS * SWAP_SLOT_BYTES,
	USERS = 5,
	HANG_MS = 60000,		/* of a test that has failed */
};

static struct file_ender *ender;
static char folder[TEMPORARY_BYTES];

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

/* ---- files */

/* All blocks are there.  ret_reader: what a program has of it. */
static struct file_job *make_file(int *ret_reader)
{
	struct file_job *job = calloc(1, sizeof(*job));
	char path[64];

	assert_non_null(job);
	job->slot_count = SWAP_FILE_SLOTS;
	job->fd = open(folder, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC,
		       0600);
	assert_true(job->fd >= 0);
	assert_int_equal(fallocate(job->fd, 0, 0, BYTES), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", job->fd);
	*ret_reader = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	assert_true(*ret_reader >= 0);
	return job;
}

static uint64_t bytes_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static struct file_payer *payer_of(uint32_t user)
{
	struct file_payer *payer = file_ender_get_payer(ender, user);

	assert_non_null(payer);
	return payer;
}

/* Returns what a program has of the file. */
static int end_file_of(struct file_payer *payer)
{
	int reader;
	struct file_job *job = make_file(&reader);

	assert_true(bytes_of(reader) >= BYTES);
	file_ender_add(ender, payer, job);
	return reader;
}

static void drop(struct file_job *job)
{
	close(job->fd);
	free(job);
}

/* Wait for the next that is done, and see that it is empty. */
static void expect_done(int reader)
{
	struct stat done, st;
	struct file_job *job;

	while ((job = file_ender_take(ender)) == NULL) {
		struct pollfd pfd = {
			.fd = file_ender_event_fd(ender), .events = POLLIN,
		};

		assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
		file_ender_reap(ender);
	}
	assert_int_equal(bytes_of(job->fd), 0);
	assert_int_equal(fstat(job->fd, &done), 0);
	assert_int_equal(fstat(reader, &st), 0);
	assert_int_equal(st.st_ino, done.st_ino);
	close(reader);
	drop(job);
}

static void expect_none_done(void)
{
	file_ender_reap(ender);
	assert_null(file_ender_take(ender));
}

/* As once a second, until it is so. */
static void await_held_up(uint32_t user)
{
	for (unsigned i = 0; !file_ender_is_held_up(ender, user); i++) {
		assert_true(i < HANG_MS);
		(void)file_ender_poll(ender);
		usleep(1000);
	}
}

static void await_helpers(char state, unsigned count)
{
	for (unsigned i = 0; helpers_count(getpid(), state) != count; i++) {
		assert_true(i < HANG_MS);
		usleep(1000);
	}
}

/* ---- */

static int begin(void **state)
{
	(void)state;
	return file_ender_create(true, &ender);
}

static int end(void **state)
{
	(void)state;
	file_ender_destroy(ender);
	await_helpers(0, 0);
	return 0;
}

static void an_open_file_has_no_blocks_when_it_is_done(void **state)
{
	struct file_payer *payer = payer_of(7);
	int reader[3];
	char byte;

	(void)state;
	assert_ptr_equal(payer_of(7), payer);
	file_ender_put_payer(payer);
	for (unsigned i = 0; i < ARRAY_SIZE(reader); i++)
		reader[i] = end_file_of(payer);
	assert_int_equal(payer->ending_slots, 3 * SWAP_FILE_SLOTS);
	assert_true(file_payer_is_ending(payer));
	for (unsigned i = 0; i < ARRAY_SIZE(reader); i++) {
		int kept = dup(reader[i]);

		expect_done(reader[i]);
		assert_int_equal(read(kept, &byte, 0), 0);
		assert_int_equal(bytes_of(kept), 0);
		close(kept);
	}
	assert_int_equal(payer->ending_slots, 0);
	assert_false(file_payer_is_ending(payer));
	file_ender_put_payer(payer);
}

/* E2, E4 */
static void a_held_file_holds_up_its_payer_only(void **state)
{
	struct file_payer *payer[USERS], *other = payer_of(99);
	int reader[USERS], next[USERS];
	pid_t holder[USERS];
	uint64_t slots;

	(void)state;
	for (uint32_t i = 0; i < USERS; i++) {
		struct file_job *job = make_file(&reader[i]);

		holder[i] = lock_holder_start_reader(reader[i]);
		payer[i] = payer_of(i);
		file_ender_add(ender, payer[i], job);
		next[i] = end_file_of(payer[i]);
	}
	await_helpers('D', USERS);
	expect_done(end_file_of(other));
	assert_true(file_payer_is_ending(payer[0]));
	assert_int_equal(file_ender_overdue_slots(ender), 0);
	for (uint32_t i = 0; i < USERS; i++)
		await_held_up(i);
	expect_done(end_file_of(other));
	assert_false(file_ender_is_held_up(ender, 99));
	assert_int_equal(file_ender_held_up_count(ender, &slots), USERS);
	assert_int_equal(slots, USERS * 2 * SWAP_FILE_SLOTS);
	assert_int_equal(file_ender_overdue_slots(ender), slots);
	for (uint32_t i = 0; i < USERS; i++) {
		assert_false(file_payer_is_ending(payer[i]));
		assert_true(bytes_of(next[i]) >= BYTES);
	}
	expect_none_done();
	for (uint32_t i = 0; i < USERS; i++) {
		lock_holder_end(holder[i]);
		expect_done(reader[i]);
		assert_false(file_ender_is_held_up(ender, i));
		expect_done(next[i]);
		file_ender_put_payer(payer[i]);
	}
	file_ender_put_payer(other);
	assert_int_equal(file_ender_held_up_count(ender, &slots), 0);
	/* What is not needed any more goes. */
	while (helpers_count(getpid(), 0) > 1)
		(void)file_ender_poll(ender);
}

/* A second later each time. */
static void expect_done_later(int reader)
{
	struct file_job *job;

	for (unsigned i = 0; (job = file_ender_take(ender)) == NULL; i++) {
		assert_true(i < HANG_MS);
		shift.tv_sec += 2;
		(void)file_ender_poll(ender);
		usleep(1000);
	}
	assert_int_equal(bytes_of(reader), 0);
	close(reader);
	drop(job);
}

/* E3 */
static void a_killed_helper_leaves_nothing_undone(void **state)
{
	struct file_payer *payer = payer_of(1);
	struct file_job *job;
	pid_t holder;
	int reader;

	(void)state;
	/* It waits for work. */
	await_helpers(0, 1);
	helpers_signal(getpid(), SIGKILL);
	expect_done_later(end_file_of(payer));
	/* It waits for the lock, and may end only when it has it. */
	job = make_file(&reader);
	holder = lock_holder_start_reader(reader);
	file_ender_add(ender, payer, job);
	await_helpers('D', 1);
	helpers_signal(getpid(), SIGKILL);
	expect_none_done();
	lock_holder_end(holder);
	expect_done_later(reader);
	file_ender_put_payer(payer);
}

/* E1: here it is memd that may not write to it. */
static void what_cannot_be_truncated_is_not_done(void **state)
{
	struct file_payer *payer = payer_of(1);
	int reader, read_only, changes = 0;
	struct file_job *job = make_file(&reader);

	(void)state;
	read_only = dup(reader);
	assert_true(read_only >= 0);
	close(job->fd);
	job->fd = read_only;
	file_ender_add(ender, payer, job);
	for (unsigned i = 0; file_payer_is_ending(payer); i++) {
		assert_true(i < HANG_MS);
		changes += file_ender_poll(ender);
		usleep(1000);
	}
	assert_int_equal(changes, 1);
	assert_false(file_ender_is_held_up(ender, 1));
	assert_int_equal(file_ender_overdue_slots(ender), SWAP_FILE_SLOTS);
	/* Its others do not wait for it. */
	close(reader);
	reader = end_file_of(payer);
	expect_done_later(reader);
	assert_true(bytes_of(read_only) >= BYTES);
	assert_int_equal(payer->ending_slots, SWAP_FILE_SLOTS);
	file_ender_put_payer(payer);
}

/* Nothing is waited for when memd ends. */
static void what_is_held_does_not_hold_up_the_end(void **state)
{
	struct file_payer *payer;
	struct file_job *job;
	pid_t holder;
	int reader;

	(void)state;
	assert_int_equal(begin(NULL), 0);
	payer = payer_of(1);
	job = make_file(&reader);
	holder = lock_holder_start_reader(reader);
	file_ender_add(ender, payer, job);
	close(end_file_of(payer));
	await_helpers('D', 1);
	file_ender_destroy(ender);
	lock_holder_end(holder);
	await_helpers(0, 0);
	close(reader);
}

static bool can_be_held(void)
{
	struct statfs fs;

	if (lock_holder_check() != 0) {
		printf("skip: no userfaultfd for faults in the kernel\n");
		return false;
	}
	assert_int_equal(statfs(folder, &fs), 0);
	if ((unsigned)fs.f_type == EXT4_SUPER_MAGIC ||
	    (unsigned)fs.f_type == XFS_MAGIC)
		return true;
	printf("skip: %s is neither ext4 nor XFS\n", folder);
	return false;
}

#define WITH_HELPER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_HELPER(an_open_file_has_no_blocks_when_it_is_done),
		WITH_HELPER(a_held_file_holds_up_its_payer_only),
		WITH_HELPER(a_killed_helper_leaves_nothing_undone),
		WITH_HELPER(what_cannot_be_truncated_is_not_done),
		cmocka_unit_test(what_is_held_does_not_hold_up_the_end),
	};
	int failed;

	/* A helper that is made later runs this program. */
	punch_helper_main(argc, argv);
	if (mkdtemp(temporary_template("ender", folder)) == NULL)
		return 1;
	failed = can_be_held() ?
		 cmocka_run_group_tests(tests, NULL, NULL) : SKIP_STATUS;
	(void)rmdir(folder);
	return failed;
}
