/* SPDX-License-Identifier: MIT */
/* Proves that a client which keeps the lock of its data file - by a write(2)
 * from memory whose page faults nobody answers - loses its segment and harms
 * nobody else: others go on paging and read their bytes; memd counts the
 * memory that is kept from it, has it back when the writer is gone, and stops
 * in order while it is not (it checks its tables then). */
#include "client/include/memclient.h"
#include "tests/integration/daemon_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	MIB = 1 << 20,
	PAGE = 4096,
	HELD_PAGES = 256,
	HONEST_BYTES = 24 * MIB,	/* of a pool of 16 */
	MANY = 12,			/* more than there are punchers */
	EXIT_SKIP = 77,
};

static struct testmemd memd;
static int admin = -1;

/* ---- the hostile one */

struct trap {
	int uffd;
	void *memory;			/* its faults are never answered */
};

static int trap_init(struct trap *t)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	t->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (t->uffd < 0)
		return -errno;
	t->memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)t->memory;
	reg.range.len = PAGE;
	if (t->memory == MAP_FAILED || ioctl(t->uffd, UFFDIO_API, &api) != 0 ||
	    ioctl(t->uffd, UFFDIO_REGISTER, &reg) != 0)
		return -errno;
	return 0;
}

static void skip_without_userfaultfd(void)
{
	struct trap t = { .uffd = -1 };
	int err = trap_init(&t);

	if (t.uffd >= 0)
		close(t.uffd);
	if (err == 0) {
		munmap(t.memory, PAGE);
		return;
	}
	printf("skipped: no userfaultfd that sees faults of the kernel: %s\n",
	       strerror(-err));
	exit(EXIT_SKIP);
}

/* Tells with a byte that the write has met the trap: the kernel has the file's
 * lock when it looks at the source. */
static _Noreturn void watcher_run(int uffd, int tell_fd, pid_t parent)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(getppid() != parent || poll(&pfd, 1, -1) != 1 ||
	      write(tell_fd, "", 1) != 1);
}

static _Noreturn void writer_run(int data_file, int tell_fd, pid_t parent)
{
	pid_t self = getpid(), watcher;
	struct trap t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || trap_init(&t) != 0)
		_exit(1);
	watcher = fork();
	if (watcher == 0)
		watcher_run(t.uffd, tell_fd, self);
	close(tell_fd);
	if (watcher > 0)
		(void)!pwrite(data_file, t.memory, PAGE, 0);
	_exit(2);			/* the source has been read? */
}

/* A process that keeps the lock of `data_file` until it is ended. */
static pid_t writer_start(int data_file)
{
	pid_t parent = getpid(), pid;
	int fds[2];
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		writer_run(data_file, fds[1], parent);
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

static void writer_end(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
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

/* It is told why, among other things, and that is the end. */
static void expect_locked_out(int fd)
{
	bool is_told = false;
	struct answer a;

	while (client_try_receive(fd, &a)) {
		if (a.header.type == T(ERROR)) {
			Memd__Error *error = answer_unpack(
					&a, &memd__error__descriptor);

			is_told |= error->code == EIO &&
				   strstr(error->text, "does not end") != NULL;
			memd__error__free_unpacked(error, NULL);
		}
		answer_free(&a);
	}
	assert_true(is_told);
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
	honest_fill(h, 0);
	honest_verify(h, 0);
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
	int fd = client_open(&memd, false, NULL);

	client_send_create(fd, 7, "refused", MIB, 0600);
	client_expect_error(fd, 7, EAGAIN, "does not end");
	close(fd);
}

static void lock_of_a_private_segment(void **state)
{
	struct honest h;
	uint32_t segment;
	int hostile, data;
	pid_t writer;

	(void)state;
	honest_open(&h);
	hostile = client_open(&memd, false, NULL);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	writer = writer_start(data);
	send_pageout(hostile, segment, HELD_PAGES);
	/* memd is on its way into the trap, or in it. */
	honest_verify(&h, 0);
	client_await_counter(admin, "segments_locked", 1);
	expect_locked_out(hostile);
	assert_int_equal(testmemd_log_count(&memd, "segment-locked"), 1);
	expect_create_refused();
	for (uint64_t round = 1; round < 3; round++) {
		honest_fill(&h, round);
		honest_verify(&h, round);
	}
	memclient_close(h.mc);
	/* What the writer keeps is counted: all there is of its segment. */
	client_await_counter(admin, "committed_units", HELD_PAGES);
	client_await_counter(admin, "resident_frames", HELD_PAGES);
	writer_end(writer);
	expect_nothing_left();
	close(hostile);
	close(data);
	honest_open(&h);
	memclient_close(h.mc);
	expect_nothing_left();
}

/* The clock comes to its pages without its doing. */
static void lock_is_met_by_the_clock(void **state)
{
	uint64_t before = client_counter(admin, "segments_locked");
	struct honest h;
	uint32_t segment;
	int hostile, data;
	pid_t writer;
	uint64_t round = 0;

	(void)state;
	hostile = client_open(&memd, false, NULL);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	writer = writer_start(data);
	honest_open(&h);
	while (client_counter(admin, "segments_locked") == before) {
		assert_true(round < 100);
		honest_fill(&h, ++round);
		honest_verify(&h, round);
	}
	expect_locked_out(hostile);
	writer_end(writer);
	honest_verify(&h, round);
	memclient_close(h.mc);
	close(hostile);
	close(data);
	expect_nothing_left();
}

/* One client with more locked files than there are helpers: the others must
 * keep some. */
static void locks_of_many_files(void **state)
{
	int hostile = client_open(&memd, false, NULL), data[MANY];
	pid_t writer[MANY];
	uint32_t segment[MANY];
	struct honest h;

	(void)state;
	honest_open(&h);
	for (unsigned i = 0; i < MANY; i++) {
		data[i] = client_map(hostile, 16 * PAGE, PAGE, &segment[i]);
		make_resident(hostile, segment[i], 16);
		writer[i] = writer_start(data[i]);
	}
	send_pageout(hostile, segment[0], 16);
	expect_locked_out(hostile);
	for (uint64_t round = 1; round < 3; round++) {
		honest_fill(&h, round);
		honest_verify(&h, round);
	}
	memclient_close(h.mc);
	client_await_counter(admin, "resident_frames", MANY * 16);
	for (unsigned i = 0; i < MANY; i++) {
		writer_end(writer[i]);
		close(data[i]);
	}
	close(hostile);
	expect_nothing_left();
}

/* Who shares a segment with a hostile one loses it, and nothing else. */
static void lock_of_a_shared_segment(void **state)
{
	int hostile = client_open(&memd, false, NULL);
	int sharer = client_open(&memd, false, NULL);
	uint32_t segment, shared, own;
	int data, other, private;
	struct answer a;
	pid_t writer;

	(void)state;
	client_send_create(hostile, 7, "shared", MIB, 0600);
	client_receive(hostile, T(SEGMENT_REPLY), 7, &a);
	answer_free(&a);
	data = client_attach(hostile, "shared", false, &segment);
	other = client_attach(sharer, "shared", false, &shared);
	private = client_map(sharer, MIB, PAGE, &own);
	make_resident(hostile, segment, HELD_PAGES);
	writer = writer_start(data);
	send_pageout(hostile, segment, HELD_PAGES);
	client_send_fault(sharer, 8, shared, 3);
	client_await_counter(admin, "committed_units", 2 * HELD_PAGES);
	while (client_receive_fault(sharer, 8, 3) == 0)
		client_send_fault(sharer, 8, shared, 3);
	make_resident(sharer, own, HELD_PAGES);
	writer_end(writer);
	close(hostile);
	close(sharer);
	close(data);
	close(other);
	close(private);
	expect_nothing_left();
}

/* `is_known`: memd has met the lock before it is told to stop. */
static void stop_while_locked(bool is_known)
{
	uint32_t segment;
	int hostile, data;
	pid_t writer;

	assert_int_equal(testmemd_start(&memd, NULL), 0);
	admin = client_open(&memd, true, NULL);
	hostile = client_open(&memd, false, NULL);
	data = client_map(hostile, MIB, PAGE, &segment);
	make_resident(hostile, segment, HELD_PAGES);
	writer = writer_start(data);
	if (is_known) {
		send_pageout(hostile, segment, HELD_PAGES);
		client_await_counter(admin, "segments_locked", 1);
	}
	close(admin);
	assert_int_equal(testmemd_stop(&memd), 0);
	writer_end(writer);
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
	if (testmemd_start(&memd, NULL) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
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
		WITH_MEMD(lock_is_met_by_the_clock),
		WITH_MEMD(locks_of_many_files),
		WITH_MEMD(lock_of_a_shared_segment),
		cmocka_unit_test(memd_stops_with_a_known_lock),
		cmocka_unit_test(memd_stops_with_an_unknown_lock),
	};

	skip_without_userfaultfd();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
