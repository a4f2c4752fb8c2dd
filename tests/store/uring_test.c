/* SPDX-License-Identifier: MIT */
/* Proves what is special to the io_uring store: where the kernel refuses
 * io_uring, wholly or in part, the error says so and nothing is left; where it
 * only refuses to register memory, all works without; what is moved short is
 * continued; a file that was taken away is let go at once.  And that the kernel
 * gets demand reads first, and only so much of the rest at a time, but all of
 * it in the end.  Exit 77: this process may not use io_uring at all. */
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOTS = SWAP_FILE_SLOTS, BUFFER_SLOTS = 64, DEPTH = 32, NOBODY = 65534 };

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
static int create_patiently(const struct swapstore_buffers *buffers,
			    struct swapstore **ret_store)
{
	int err, patience = 3000;

	while ((err = store_uring_create(SLOTS, buffers, DEPTH,
					 ret_store)) == -ENOMEM &&
	       patience-- > 0)
		usleep(10000);
	return err;
}

/* A store on one file, which stays the caller's. */
static struct swapstore *create_on(int fd,
				   const struct swapstore_buffers *buffers)
{
	struct swapstore *st;

	assert_int_equal(create_patiently(buffers, &st), 0);
	assert_int_equal(swapstore_add_file(st, 0, SLOTS, fd), 0);
	return st;
}

static int lowest_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void test_arguments(void **state)
{
	struct swapstore *st = NULL;

	(void)state;
	assert_int_equal(store_uring_create(0, NULL, DEPTH, &st), -EINVAL);
	assert_int_equal(store_uring_create(SLOTS, NULL, 0, &st), -EINVAL);
	assert_int_equal(store_uring_create(SLOTS, NULL, 4097, &st), -EINVAL);
	assert_null(st);
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
	int before = lowest_descriptor();

	if (forbid_syscall(rf->syscall, rf->err) != 0)
		return NO_SECCOMP;
	if (store_uring_create(SLOTS, NULL, DEPTH, &st) != -rf->err)
		return 1;
	if (st != NULL)
		return 2;
	return lowest_descriptor() == before ? 0 : 3;
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

/* ---- refused to register memory */

static int round_trip_at(struct swapstore *st, uint32_t first, char *buffer)
{
	for (uint32_t slot = first; slot < first + SLOTS;
	     slot += BUFFER_SLOTS) {
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

static int round_trip(struct swapstore *st, char *buffer)
{
	return round_trip_at(st, 0, buffer);
}

static int create_unregistered(struct swapstore **ret_store, char **ret_buffer)
{
	struct swapstore_buffers buffers = {
		.base = buffer_create(buffer_bytes),
		.length_bytes = buffer_bytes,
	};

	int err = store_uring_create(SLOTS, &buffers, DEPTH, ret_store);

	*ret_buffer = buffers.base;
	return err != 0 ? err : swapstore_add_file(*ret_store, 0, SLOTS,
						   open_medium());
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
	int fd = open_medium();
	struct swapstore *st = create_on(fd, &buffers);

	(void)state;
	for (size_t at = 0; at <= 2 * buffer_bytes; at += SWAP_SLOT_BYTES)
		assert_int_equal(round_trip(st, memory + at), 0);
	swapstore_destroy(st);
	close(fd);
	buffer_destroy(memory, 3 * buffer_bytes);
}

static bool can_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK };

	if (fcntl(fd, F_OFD_SETLK, &lock) != 0)
		return false;
	lock.l_type = F_UNLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return true;
}

/* The space of an unlinked file is free when nobody has the file.  Nobody has
 * it for long once it was taken from the store and closed: not the ring, and
 * not requests that have ended.  (A lock of an open file ends with the last who
 * has it.) */
static void test_file_goes_when_it_is_removed(void **state)
{
	struct scratch scratch;
	char *buffer = buffer_create(buffer_bytes);
	const struct swapstore_buffers buffers = { buffer, buffer_bytes };
	struct swapstore *st;
	int other;

	(void)state;
	scratch_create(&scratch);
	other = open(scratch_file(&scratch, "swap"), O_RDWR | O_CREAT |
		     O_CLOEXEC, 0600);
	assert_true(other >= 0);
	assert_int_equal(ftruncate(other, (off_t)SLOTS * SWAP_SLOT_BYTES), 0);
	assert_int_equal(create_patiently(&buffers, &st), 0);
	for (int i = 0; i < 100; i++) {
		struct flock lock = { .l_type = F_WRLCK };
		int fd = open(scratch_file(&scratch, "swap"), O_RDWR |
			      O_CLOEXEC | (i % 2 == 0 ? O_DIRECT : 0));

		if (fd < 0)
			continue;	/* there is no O_DIRECT here */
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
		assert_int_equal(swapstore_add_file(st, 0, SLOTS, fd), 0);
		assert_int_equal(store_do(st, true, 0, 16, buffer), 0);
		swapstore_remove_file(st, 0, SLOTS);
		assert_false(can_lock(other));
		close(fd);
		for (int n = 0; n < 60000 && !can_lock(other); n++)
			usleep(1000);
		assert_true(can_lock(other));
	}
	swapstore_destroy(st);
	close(other);
	scratch_remove(&scratch);
	buffer_destroy(buffer, buffer_bytes);
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
	st = create_on(ends[0], NULL);
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
	close(ends[0]);
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
	st = create_on(ends[0], NULL);
	assert_int_equal(write(ends[1], buffer, 512), 512);
	assert_int_equal(store_do(st, false, 0, 1, buffer), -EIO);
	assert_int_equal(st->read_errors, 1);
	swapstore_destroy(st);
	close(ends[0]);
	close(ends[1]);
	buffer_destroy(buffer, SWAP_SLOT_BYTES);
}

/* Requests that the kernel has no thread for, as our own memory's need one, end
 * with an error that says nothing of the medium: then they are waited for. */
static int round_trip_without_threads(void *arg)
{
	char *buffer = buffer_create(buffer_bytes);
	/* At an address that is small enough to be that of a slot. */
	char *medium = mmap(NULL, 2 * SLOTS * SWAP_SLOT_BYTES,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), result;
	uint32_t first = (uint32_t)(DIV_ROUND_UP((uintptr_t)medium,
						 SLOTS * SWAP_SLOT_BYTES) *
				    SLOTS);
	struct rlimit none = { 1, 1 };
	struct swapstore *st;

	(void)arg;
	if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
	    setresuid(USER_ALONE, USER_ALONE, USER_ALONE) != 0)
		return NOT_ROOT;
	if (fd < 0 || medium == MAP_FAILED ||
	    store_uring_create(first + SLOTS, NULL, DEPTH, &st) != 0 ||
	    swapstore_add_file(st, 0, first + SLOTS, fd) != 0)
		return 1;
	result = round_trip_at(st, first, buffer);
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
	st = create_on(open_medium(), NULL);
	if (forbid_syscall(SYS_io_uring_enter, EAGAIN) != 0)
		return NO_SECCOMP;
	for (int i = 0; i < 3; i++)
		if (swapstore_submit(st, &io) != 0 ||
		    swapstore_flush(st) != -EAGAIN)
			return 2;
	io.is_write = true;
	if (swapstore_submit(st, &io) != 0 || swapstore_flush(st) != -EAGAIN)
		return 3;
	if (swapstore_reap(st, &done, 1) != 0 || st->in_flight != 4)
		return 4;
	if (!st->must_flush)
		return 5;
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

/* ---- the order of requests */

enum { PLENTY = 256 };			/* a queue for all that is asked here */

/* As create_on(), with a larger queue. */
static struct swapstore *create_deep(int fd)
{
	int err, patience = 3000;
	struct swapstore *st;

	while ((err = store_uring_create(3 * SLOTS, NULL, PLENTY, &st)) ==
		       -ENOMEM && patience-- > 0)
		usleep(10000);
	assert_int_equal(err, 0);
	assert_int_equal(swapstore_add_file(st, 0, SLOTS, fd), 0);
	return st;
}

static void ask(struct swapstore *st, enum swap_class class, uint32_t slot,
		uint32_t slot_count, void *buffer)
{
	const struct swap_io io = {
		.cookie = class,
		.buffer = buffer,
		.slot = slot,
		.slot_count = slot_count,
		.is_write = class == SWAP_WRITE,
		.is_ahead = class == SWAP_AHEAD,
	};

	assert_int_equal(swapstore_submit(st, &io), 0);
}

/* How many requests the kernel has taken so far; -1: it does not say. */
static long taken_by_kernel(struct swapstore *st)
{
	char path[64], line[128];
	long taken = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
		 swapstore_event_fd(st));
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		(void)sscanf(line, "SqHead: %ld", &taken);
	fclose(file);
	return taken;
}

/* A pipe that is full, so that what is written to it waits.  Empty, it has room
 * for all that the kernel is given at a time. */
static void fill_pipe(int ends[2], char *buffer)
{
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
	while (write(ends[1], buffer, SWAP_SLOT_BYTES) > 0)
		continue;
	assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
}

/* Of 64 writes that do not end, the kernel gets a few.  It gets a demand read
 * at once, before those that wait; and them when the others end. */
static void test_demand_goes_before_waiting_writes(void **state)
{
	enum { WRITES = 64, RUN = 16, FEW = 128 / RUN };
	char *buffer = buffer_create(buffer_bytes);
	int fd = open_medium(), ends[2];
	struct swapstore *st = create_deep(fd);
	long before = taken_by_kernel(st);
	struct swap_done done;
	unsigned ended = 0;

	(void)state;
	fill_pipe(ends, buffer);
	assert_int_equal(swapstore_add_file(st, SLOTS, 2 * SLOTS, ends[1]), 0);
	for (uint32_t i = 0; i < WRITES; i++)
		ask(st, SWAP_WRITE, SLOTS + i, RUN, buffer);
	assert_int_equal(swapstore_flush(st), 0);
	if (before >= 0)
		assert_int_equal(taken_by_kernel(st), before + FEW);
	for (uint32_t i = 1; i <= 10; i++) {
		ask(st, SWAP_DEMAND, i, 1, buffer);
		assert_int_equal(swapstore_flush(st), 0);
		done = store_wait_one(st);
		assert_int_equal(done.cookie, SWAP_DEMAND);
		assert_int_equal(done.result, 0);
		if (before >= 0)
			assert_int_equal(taken_by_kernel(st), before + FEW +
					 i);
	}
	while (ended < WRITES) {
		while (read(ends[0], buffer, SWAP_SLOT_BYTES) > 0)
			continue;
		done = store_wait_one(st);
		assert_int_equal(done.cookie, SWAP_WRITE);
		assert_int_equal(done.result, 0);
		ended++;
	}
	swapstore_destroy(st);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	buffer_destroy(buffer, buffer_bytes);
}

/* In one flush.  Reads of memory end at once, in the order in which the kernel
 * takes them. */
static void test_demand_goes_before_readahead(void **state)
{
	char *buffer = buffer_create(buffer_bytes);
	int fd = open_medium();
	struct swapstore *st = create_deep(fd);

	(void)state;
	store_do(st, true, 0, BUFFER_SLOTS, buffer);
	for (uint32_t i = 0; i < 8; i++)
		ask(st, SWAP_AHEAD, i, 1, buffer);
	for (uint32_t i = 0; i < 8; i++)
		ask(st, SWAP_DEMAND, i, 1, buffer);
	assert_int_equal(swapstore_flush(st), 0);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(store_wait_one(st).cookie,
				 i < 8 ? SWAP_DEMAND : SWAP_AHEAD);
	swapstore_destroy(st);
	close(fd);
	buffer_destroy(buffer, buffer_bytes);
}

/* Requests so large that the kernel gets one at a time: it gets the writes,
 * too, while there is still readahead. */
static void test_no_class_waits_for_ever(void **state)
{
	enum { AHEAD = 100, WRITES = 4, RUN = 128 };
	size_t bytes = (size_t)RUN * SWAP_SLOT_BYTES;
	char *buffer = buffer_create(bytes);
	unsigned passed = 0, writes = 0;
	int fd = open_medium();
	struct swapstore *st = create_deep(fd);

	(void)state;
	for (uint32_t i = 0; i < AHEAD; i++)
		ask(st, SWAP_AHEAD, i, RUN, buffer);
	for (uint32_t i = 0; i < WRITES; i++)
		ask(st, SWAP_WRITE, i, RUN, buffer);
	assert_int_equal(swapstore_flush(st), 0);
	while (writes < WRITES) {
		struct swap_done done = store_wait_one(st);

		assert_int_equal(done.result, 0);
		writes += done.is_write;
		passed = done.is_write ? 0 : passed + 1;
		assert_true(passed <= SWAP_TURNS_MAX);
	}
	while (st->in_flight > 0)
		assert_int_equal(store_wait_one(st).result, 0);
	swapstore_destroy(st);
	close(fd);
	buffer_destroy(buffer, bytes);
}

/* Of any size, and of all classes, all end. */
static void test_nothing_is_left_behind(void **state)
{
	size_t bytes = (size_t)SLOTS * SWAP_SLOT_BYTES;
	char *buffer = buffer_create(bytes);
	int fd = open_medium();
	struct swapstore *st = create_deep(fd);
	unsigned seed = 9;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		for (unsigned n = (unsigned)rand_r(&seed) % 8; n > 0; n--) {
			uint32_t count = 1 + (uint32_t)rand_r(&seed) %
				(rand_r(&seed) % 16 == 0 ? SLOTS : 8);

			ask(st, (enum swap_class)((unsigned)rand_r(&seed) %
						  SWAP_CLASSES),
			    SLOTS - count, count, buffer);
		}
		assert_int_equal(swapstore_flush(st), 0);
		while (st->in_flight > (unsigned)rand_r(&seed) % 40)
			assert_int_equal(store_wait_one(st).result, 0);
	}
	while (st->in_flight > 0)
		assert_int_equal(store_wait_one(st).result, 0);
	swapstore_destroy(st);
	close(fd);
	buffer_destroy(buffer, bytes);
}

/* No descriptor is left open, whether it worked or not. */
static void test_descriptors(void **state)
{
	int before = lowest_descriptor();

	(void)state;
	for (int i = 0; i < 10; i++) {
		int fd = open_medium();
		struct swapstore *st = create_on(fd, NULL);

		swapstore_destroy(st);
		assert_int_equal(close(fd), 0);
		assert_int_equal(store_uring_create(SLOTS, NULL, 0, &st),
				 -EINVAL);
	}
	assert_int_equal(lowest_descriptor(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing_registered),
		cmocka_unit_test(test_no_locked_memory),
		cmocka_unit_test(test_buffers_at_the_edge),
		cmocka_unit_test(test_file_goes_when_it_is_removed),
		cmocka_unit_test(test_short_transfer_goes_on),
		cmocka_unit_test(test_part_of_a_slot),
		cmocka_unit_test(test_refused_requests_are_waited_for),
		cmocka_unit_test(test_flush_refused),
		cmocka_unit_test(test_demand_goes_before_waiting_writes),
		cmocka_unit_test(test_demand_goes_before_readahead),
		cmocka_unit_test(test_no_class_waits_for_ever),
		cmocka_unit_test(test_nothing_is_left_behind),
		cmocka_unit_test(test_descriptors),
	};
	const char *refusal = uring_refusal();

	if (refusal != NULL) {
		printf("skipped: io_uring is not allowed here: %s\n", refusal);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
