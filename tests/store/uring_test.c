/* SPDX-License-Identifier: MIT */
/* Proves what is special to the io_uring store: where the kernel refuses
 * io_uring, wholly or in part, the error says so and the file stays the
 * caller's; where it only refuses to register memory, all works without; what
 * is moved short is continued; a destroyed store lets go of the file's lock at
 * once.  Exit 77: this process may not use io_uring at all. */
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include "swapstore/swapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOTS = 256, BUFFER_SLOTS = 64, DEPTH = 32, NOBODY = 65534 };

enum { USER_ALONE = 1894236118 };	/* has no other process */

static const size_t buffer_bytes = (size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES;

static int open_medium(void)
{
	int fd = memfd_create("memd-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)SLOTS * SWAP_SLOT_BYTES), 0);
	return fd;
}

/* The kernel takes rings down in the background.  Until it has, their memory
 * counts as locked by this user, who may lock little if he is not root. */
static int create_patiently(int fd, uint64_t offset, uint32_t slot_count,
			    const struct swapstore_buffers *buffers,
			    struct swapstore **ret_store)
{
	int err, patience = 3000;

	while ((err = store_uring_create(fd, offset, slot_count, buffers,
					 DEPTH, ret_store)) == -ENOMEM &&
	       patience-- > 0)
		usleep(10000);
	return err;
}

static void test_arguments(void **state)
{
	int fd = open_medium();
	struct swapstore *st = NULL;

	(void)state;
	assert_int_equal(store_uring_create(fd, 0, 0, NULL, DEPTH, &st),
			 -EINVAL);
	assert_int_equal(store_uring_create(fd, 0, SLOTS, NULL, 0, &st),
			 -EINVAL);
	assert_int_equal(store_uring_create(fd, 0, SLOTS, NULL, 4097, &st),
			 -EINVAL);
	assert_null(st);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

/* ---- refused by the kernel */

static const struct refusal {
	long syscall;
	int err;
} refusals[] = {
	{ SYS_io_uring_setup, EPERM },	/* Docker; io_uring_disabled = 2 */
	{ SYS_io_uring_setup, ENOSYS },	/* an old kernel */
	{ SYS_io_uring_setup, EACCES },
	{ SYS_io_uring_enter, EPERM },
	{ SYS_io_uring_enter, ENOSYS },
};

enum { NOT_ROOT = 97, NONE_REFUSED = 98, NO_SECCOMP = 99 };

static int create_refused(void *arg)
{
	const struct refusal *rf = arg;
	struct swapstore *st = NULL;
	int fd = open_medium();

	if (forbid_syscall(rf->syscall, rf->err) != 0)
		return NO_SECCOMP;
	if (store_uring_create(fd, 0, SLOTS, NULL, DEPTH, &st) != -rf->err)
		return 1;
	if (st != NULL)
		return 2;
	/* Not taken: the next store can have it. */
	if (store_sync_create(fd, 0, SLOTS, 1, &st) != 0)
		return 3;
	swapstore_destroy(st);
	return fcntl(fd, F_GETFD) < 0 ? 0 : 4;
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct refusal rf = refusals[i];
		int result = run_in_child(create_refused, &rf);

		if (result == NO_SECCOMP)
			skip_case("no seccomp here");
		assert_int_equal(result, 0);
	}
}

/* ---- refused to register memory and file */

static int round_trip(struct swapstore *st, char *buffer)
{
	for (uint32_t slot = 0; slot < SLOTS; slot += BUFFER_SLOTS) {
		pattern_fill(buffer, slot, BUFFER_SLOTS, 1);
		if (store_do(st, true, slot, BUFFER_SLOTS, buffer) != 0)
			return 11;
		memset(buffer, 0, buffer_bytes);
		if (store_do(st, false, slot, BUFFER_SLOTS, buffer) != 0)
			return 12;
		if (!pattern_is(buffer, slot, BUFFER_SLOTS, 1))
			return 13;
	}
	return 0;
}

static int create_unregistered(struct swapstore **ret_store, char **ret_buffer)
{
	struct swapstore_buffers buffers = {
		.base = buffer_create(buffer_bytes),
		.length_bytes = buffer_bytes,
	};

	*ret_buffer = buffers.base;
	return store_uring_create(open_medium(), 0, SLOTS, &buffers, DEPTH,
				  ret_store);
}

static int register_refused(void *arg)
{
	struct swapstore *st;
	char *buffer;
	int result;

	(void)arg;
	if (forbid_syscall(SYS_io_uring_register, EPERM) != 0)
		return NO_SECCOMP;
	if (create_unregistered(&st, &buffer) != 0)
		return 1;
	if (store_uring_has_fixed_buffers(st))
		return 2;
	result = round_trip(st, buffer);
	swapstore_destroy(st);
	return result;
}

static void test_nothing_registered(void **state)
{
	int result = run_in_child(register_refused, NULL);

	(void)state;
	if (result == NO_SECCOMP)
		skip_case("no seccomp here");
	assert_int_equal(result, 0);
}

/* As an ordinary user with RLIMIT_MEMLOCK 0. */
static int lock_refused(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct swapstore *st;
	char *buffer;
	int result;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
		return 1;
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return 2;
	result = create_unregistered(&st, &buffer);
	if (result == -ENOMEM || result == -EPERM)
		return 0;	/* older kernels lock the rings, too */
	if (result != 0)
		return 3;
	if (store_uring_has_fixed_buffers(st))
		return 4;
	result = round_trip(st, buffer);
	swapstore_destroy(st);
	return result;
}

static void test_no_locked_memory(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(lock_refused, NULL), 0);
}

/* Inside, outside, and across both edges of the registered memory. */
static void test_buffers_at_the_edge(void **state)
{
	char *memory = buffer_create(3 * buffer_bytes);
	struct swapstore_buffers buffers = { memory + buffer_bytes,
					     buffer_bytes };
	struct swapstore *st;

	(void)state;
	assert_int_equal(create_patiently(open_medium(), 0, SLOTS, &buffers,
					  &st), 0);
	for (size_t at = 0; at <= 2 * buffer_bytes; at += SWAP_SLOT_BYTES)
		assert_int_equal(round_trip(st, memory + at), 0);
	swapstore_destroy(st);
	buffer_destroy(memory, 3 * buffer_bytes);
}

/* The kernel takes rings down in the background; a daemon that is restarted
 * must not find its own swap file in use because of that. */
static void test_lock_goes_with_the_store(void **state)
{
	struct scratch scratch;
	char path[300];

	(void)state;
	scratch_create(&scratch);
	snprintf(path, sizeof(path), "%s", scratch_file(&scratch, "swap"));
	for (int i = 0; i < 30; i++) {
		char *buffer = buffer_create(buffer_bytes);
		struct swapstore_buffers buffers = { buffer, buffer_bytes };
		struct swap_io io = { .buffer = buffer, .slot_count = 16,
				      .is_write = true };
		struct flock lock = { .l_type = F_WRLCK };
		struct swapfile sf;
		struct swapstore *st;
		char reason[256];
		int other;

		assert_int_equal(swapfile_open(path, buffer_bytes, NULL,
					       &sf, reason, sizeof(reason)),
				 0);
		assert_int_equal(create_patiently(sf.fd, sf.slots_offset,
						  sf.slot_count, &buffers,
						  &st), 0);
		assert_int_equal(swapstore_submit(st, &io), 0);
		assert_int_equal(swapstore_flush(st), 0);
		swapstore_destroy(st);
		other = open(path, O_RDWR | O_CLOEXEC);
		assert_true(other >= 0);
		assert_int_equal(fcntl(other, F_OFD_SETLK, &lock), 0);
		close(other);
		buffer_destroy(buffer, buffer_bytes);
	}
	scratch_remove(&scratch);
}

/* ---- transfers that do not go through at once, as pipes have them */

/* What the kernel moves short is continued to the end. */
static void test_short_transfer_goes_on(void **state)
{
	char *sent = buffer_create(3 * SWAP_SLOT_BYTES);
	char *buffer = buffer_create(3 * SWAP_SLOT_BYTES);
	struct swap_io io = { .cookie = 1, .buffer = buffer, .slot_count = 3 };
	struct swap_done done;
	struct swapstore *st;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(create_patiently(ends[0], 0, SLOTS, NULL, &st), 0);
	pattern_fill(sent, 0, 3, 1);
	assert_int_equal(write(ends[1], sent, 4096), 4096);
	assert_int_equal(swapstore_submit(st, &io), 0);
	assert_int_equal(swapstore_flush(st), 0);
	for (int i = 1; i < 3; i++) {
		while (!is_readable(swapstore_event_fd(st)))
			sched_yield();
		assert_int_equal(swapstore_reap(st, &done, 1), 0);
		assert_int_equal(st->in_flight, 1);
		assert_int_equal(write(ends[1], sent + i * SWAP_SLOT_BYTES,
				       4096), 4096);
	}
	done = store_wait_one(st);
	assert_int_equal(done.cookie, 1);
	assert_int_equal(done.result, 0);
	assert_true(pattern_is(buffer, 0, 3, 1));
	swapstore_destroy(st);
	close(ends[1]);
	buffer_destroy(buffer, 3 * SWAP_SLOT_BYTES);
	buffer_destroy(sent, 3 * SWAP_SLOT_BYTES);
}

/* A part of a slot is not a slot. */
static void test_part_of_a_slot(void **state)
{
	char *buffer = buffer_create(SWAP_SLOT_BYTES);
	struct swapstore *st;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(create_patiently(ends[0], 0, SLOTS, NULL, &st), 0);
	assert_int_equal(write(ends[1], buffer, 512), 512);
	assert_int_equal(store_do(st, false, 0, 1, buffer), -EIO);
	assert_int_equal(st->read_errors, 1);
	swapstore_destroy(st);
	close(ends[1]);
	buffer_destroy(buffer, SWAP_SLOT_BYTES);
}

/* Requests that the kernel has no thread for, as our own memory's need one, end
 * with an error that says nothing of the medium: then they are waited for. */
static int round_trip_without_threads(void *arg)
{
	char *buffer = buffer_create(buffer_bytes);
	char *medium = buffer_create((size_t)SLOTS * SWAP_SLOT_BYTES);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), result;
	struct rlimit none = { 1, 1 };
	struct swapstore *st;

	(void)arg;
	if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
	    setresuid(USER_ALONE, USER_ALONE, USER_ALONE) != 0)
		return NOT_ROOT;
	if (fd < 0 || store_uring_create(fd, (uintptr_t)medium, SLOTS, NULL,
					 DEPTH, &st) != 0)
		return 1;
	result = round_trip(st, buffer);
	if (result == 0 && st->read_errors + st->write_errors != 0)
		result = 2;
	if (result == 0 && st->refused == 0)
		result = NONE_REFUSED;
	swapstore_destroy(st);
	return result;
}

static void test_refused_requests_are_waited_for(void **state)
{
	int result = run_in_child(round_trip_without_threads, NULL);

	(void)state;
	if (result == NOT_ROOT)
		skip_case("may not be another user");
	if (result == NONE_REFUSED)
		skip_case("this kernel needs no threads");
	assert_int_equal(result, 0);
}

/* The kernel is out of memory when the ring is handed over: the requests stay
 * where they are, and destroy does not wait for what never went. */
static int flush_refused(void *arg)
{
	struct swap_io io = { .slot_count = 1 };
	struct swapstore *st;
	struct swap_done done;

	(void)arg;
	io.buffer = buffer_create(SWAP_SLOT_BYTES);
	if (create_patiently(open_medium(), 0, SLOTS, NULL, &st) != 0)
		return 1;
	if (forbid_syscall(SYS_io_uring_enter, EAGAIN) != 0)
		return NO_SECCOMP;
	for (int i = 0; i < 3; i++)
		if (swapstore_submit(st, &io) != 0 ||
		    swapstore_flush(st) != -EAGAIN)
			return 2;
	if (swapstore_reap(st, &done, 1) != 0 || st->in_flight != 3)
		return 3;
	swapstore_destroy(st);
	return 0;
}

static void test_flush_refused(void **state)
{
	int result = run_in_child(flush_refused, NULL);

	(void)state;
	if (result == NO_SECCOMP)
		skip_case("no seccomp here");
	assert_int_equal(result, 0);
}

/* No descriptor is left open, whether it worked or not. */
static void test_descriptors(void **state)
{
	int before = dup(STDERR_FILENO), after;

	(void)state;
	close(before);
	for (int i = 0; i < 10; i++) {
		struct swapstore *st;
		int fd = open_medium();

		assert_int_equal(create_patiently(fd, 0, SLOTS, NULL, &st), 0);
		swapstore_destroy(st);
		fd = open_medium();
		assert_int_equal(store_uring_create(fd, 0, SLOTS, NULL, 0,
						    &st), -EINVAL);
		close(fd);
	}
	after = dup(STDERR_FILENO);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing_registered),
		cmocka_unit_test(test_no_locked_memory),
		cmocka_unit_test(test_buffers_at_the_edge),
		cmocka_unit_test(test_lock_goes_with_the_store),
		cmocka_unit_test(test_short_transfer_goes_on),
		cmocka_unit_test(test_part_of_a_slot),
		cmocka_unit_test(test_refused_requests_are_waited_for),
		cmocka_unit_test(test_flush_refused),
		cmocka_unit_test(test_descriptors),
	};
	const char *refusal = uring_refusal(STDIN_FILENO);

	if (refusal != NULL) {
		printf("skipped: io_uring is not allowed here: %s\n", refusal);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
