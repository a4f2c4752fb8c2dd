/* SPDX-License-Identifier: MIT */
/* Proves that every swap store backend keeps the contract of swapstore.h: the
 * same suite runs over each row of the table below, by name:
 *
 *	conformance_test uring
 *
 * Bytes come back as written, whatever the order, class and number of requests;
 * the queue is bounded and says so, and has room for each class; the event
 * descriptor tells of completions; counters count; destroy waits.  A backend on
 * files has three of them here, and is also shown one that is too short.  Exit
 * 77: the kernel does not allow this backend. */
#include "swapstore/store_remote.h"
#include "tests/store/remote_server.h"
#include "tests/store/store_fault.h"
#include "tests/store/storetest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	SLOTS = 2048,
	FILES = 3,
	BUFFER_SLOTS = 1024,
	QUEUE_DEPTH = 128,
	SUBMITS_MAX = 100000,		/* more than any queue holds */
};

static const size_t buffer_bytes = (size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES;

/* Which slots the files have. */
static const struct {
	uint32_t first, count;
} runs_of_files[FILES] = { { 1024, 1024 }, { 0, 512 }, { 512, 512 } };

/* The file with slot 0. */
enum { FIRST_FILE = 1 };

struct fixture {
	struct scratch scratch;
	int fd[FILES];			/* -1: none */
	char *buffer;
	struct swapstore *st;
	struct remote_server *server;	/* or NULL */
};

/* ---- the backends */

static int add_files(struct swapstore *st, const int fd[FILES])
{
	int err = 0;

	for (unsigned i = 0; i < FILES && err == 0; i++)
		err = swapstore_add_file(st, runs_of_files[i].first,
					 runs_of_files[i].count, fd[i]);
	return err;
}

static int make_uring(struct fixture *fx)
{
	struct swapstore_buffers buffers = { fx->buffer, buffer_bytes };
	int err = store_uring_create(SLOTS, &buffers, QUEUE_DEPTH, &fx->st);

	return err != 0 ? err : add_files(fx->st, fx->fd);
}

static int make_sync(struct fixture *fx)
{
	int err = store_sync_create(SLOTS, 4, &fx->st);

	return err != 0 ? err : add_files(fx->st, fx->fd);
}

static int make_mem(struct fixture *fx)
{
	return store_mem_create(SLOTS, &fx->st);
}

static int wrap_in_fault(struct fixture *fx)
{
	static const struct store_fault_plan behave;
	struct swapstore *inner = fx->st;
	int err = store_fault_create(inner, &behave, &fx->st);

	if (err != 0)
		swapstore_destroy(inner);
	return err;
}

static int make_fault(struct fixture *fx)
{
	int err = make_mem(fx);

	return err != 0 ? err : wrap_in_fault(fx);
}

static int make_fault_sync(struct fixture *fx)
{
	int err = make_sync(fx);

	return err != 0 ? err : wrap_in_fault(fx);
}

static int make_remote(struct fixture *fx)
{
	struct store_remote_options options = {
		.slot_count = SLOTS,
		.write_behind_bytes = 256 * SWAP_SLOT_BYTES,
		.queue_depth = QUEUE_DEPTH,
	};
	char reason[256];
	int err;

	fx->server = remote_server_create(SLOTS);
	options.address = remote_server_address(fx->server);
	err = store_remote_create(&options, &fx->st, reason, sizeof(reason));
	if (err != 0)
		print_message("%s\n", reason);
	return err;
}

/* Over a network that breaks again and again. */
static int make_remote_cut(struct fixture *fx)
{
	static const struct remote_server_plan plan = {
		.seed = 7, .cut_bytes_max = 8 * 1024 * 1024, .hold_max = 8,
	};
	int err = make_remote(fx);

	if (err == 0)
		remote_server_plan_set(fx->server, &plan, true);
	return err;
}

enum medium { NO_FILE, DISK_FILE, MEMORY_FILE };

static const struct backend {
	const char *name;
	const char *ops_name;
	enum medium medium;
	int (*make)(struct fixture *fx);
	bool is_ordered;	/* requests end in the order they begin in */
} backends[] = {
	{ "uring", "uring", DISK_FILE, make_uring, false },
	{ "uring-buffered", "uring", MEMORY_FILE, make_uring, false },
	{ "sync", "sync", DISK_FILE, make_sync, false },
	{ "sync-buffered", "sync", MEMORY_FILE, make_sync, false },
	{ "mem", "mem", NO_FILE, make_mem, true },
	{ "fault", "fault", NO_FILE, make_fault, true },
	{ "fault-sync", "fault", DISK_FILE, make_fault_sync, false },
	{ "remote", "remote", NO_FILE, make_remote, false },
	{ "remote-cut", "remote", NO_FILE, make_remote_cut, false },
};

static const struct backend *backend;

static off_t file_bytes(unsigned idx)
{
	return (off_t)runs_of_files[idx].count * SWAP_SLOT_BYTES;
}

/* O_DIRECT where the disk's file system has it, as in the daemon. */
static int open_medium(struct fixture *fx, unsigned idx)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, fd;
	const char *path;
	char name[16];

	if (backend->medium == NO_FILE)
		return -1;
	snprintf(name, sizeof(name), "store%u", idx);
	path = scratch_file(&fx->scratch, name);
	if (backend->medium == MEMORY_FILE)
		fd = memfd_create("memd-test", MFD_CLOEXEC);
	else
		fd = open(path, flags | O_DIRECT, 0600);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags & ~O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, file_bytes(idx)), 0);
	return fd;
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_create(&fx->scratch);
	fx->buffer = buffer_create(buffer_bytes);
	for (unsigned i = 0; i < FILES; i++)
		fx->fd[i] = open_medium(fx, i);
	assert_int_equal(backend->make(fx), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	swapstore_destroy(fx->st);
	if (fx->server != NULL)
		remote_server_destroy(fx->server);
	/* The store has left them open. */
	for (unsigned i = 0; i < FILES && fx->fd[i] >= 0; i++)
		assert_int_equal(close(fx->fd[i]), 0);
	buffer_destroy(fx->buffer, buffer_bytes);
	scratch_remove(&fx->scratch);
	free(fx);
	return 0;
}

static bool has_files(void)
{
	return backend->medium != NO_FILE;
}

static char *slot_buffer(const struct fixture *fx, uint32_t idx)
{
	return fx->buffer + (size_t)idx * SWAP_SLOT_BYTES;
}

/* No completion waits, and the descriptor says so.  A store with a connection
 * of its own may have to look after that first, and between two looks the other
 * side may have said something again. */
static void assert_quiet(const struct fixture *fx)
{
	int fd = swapstore_event_fd(fx->st);
	struct swap_done done;

	if (fx->server == NULL) {
		assert_false(is_readable(fd));
		return;
	}
	while (is_readable(fd))
		assert_int_equal(swapstore_reap(fx->st, &done, 1), 0);
}

/* ---- the suite */

static void test_is_what_was_asked_for(void **state)
{
	const struct fixture *fx = *state;

	assert_string_equal(fx->st->ops->name, backend->ops_name);
	assert_int_equal(fx->st->slot_count, SLOTS);
	assert_int_equal(fx->st->in_flight, 0);
}

static void test_idle(void **state)
{
	struct fixture *fx = *state;
	struct swap_done done;

	assert_int_equal(swapstore_flush(fx->st), 0);
	assert_int_equal(swapstore_reap(fx->st, &done, 1), 0);
	assert_int_equal(swapstore_reap(fx->st, &done, 0), 0);
	assert_quiet(fx);
}

/* First and last slots, one and many, with their neighbours untouched. */
static void test_bytes_come_back(void **state)
{
	static const struct {
		uint32_t slot, slot_count;
	} runs[] = {
		{ 0, 1 }, { 1, 1 }, { SLOTS - 1, 1 }, { 7, 2 }, { 100, 33 },
		{ 512, SWAP_IO_SLOTS_MAX },
		{ SLOTS - SWAP_IO_SLOTS_MAX, SWAP_IO_SLOTS_MAX },
	};
	struct fixture *fx = *state;
	char *all = buffer_create((size_t)SLOTS * SWAP_SLOT_BYTES);

	for (uint32_t i = 0; i < ARRAY_SIZE(runs); i++) {
		uint32_t slot = runs[i].slot, count = runs[i].slot_count;

		for (uint32_t at = 0; at < SLOTS; at += SWAP_IO_SLOTS_MAX) {
			pattern_fill(fx->buffer, at, SWAP_IO_SLOTS_MAX, 0);
			assert_int_equal(store_do(fx->st, true, at,
						  SWAP_IO_SLOTS_MAX,
						  fx->buffer), 0);
		}
		pattern_fill(fx->buffer, slot, count, i + 1);
		assert_int_equal(store_do(fx->st, true, slot, count,
					  fx->buffer), 0);
		/* This memory is not the registered one. */
		for (uint32_t at = 0; at < SLOTS; at += SWAP_IO_SLOTS_MAX)
			assert_int_equal(store_do(fx->st, false, at,
						  SWAP_IO_SLOTS_MAX, all +
						  (size_t)at *
						  SWAP_SLOT_BYTES), 0);
		for (uint32_t at = 0; at < SLOTS; at++) {
			bool is_new = at >= slot && at < slot + count;

			assert_true(pattern_is(all + (size_t)at *
					       SWAP_SLOT_BYTES, at, 1,
					       is_new ? i + 1 : 0));
		}
	}
	buffer_destroy(all, (size_t)SLOTS * SWAP_SLOT_BYTES);
}

static void test_overwrites(void **state)
{
	struct fixture *fx = *state;

	for (uint32_t version = 0; version < 50; version++) {
		pattern_fill(fx->buffer, 9, 3, version);
		assert_int_equal(store_do(fx->st, true, 9, 3, fx->buffer), 0);
		memset(fx->buffer, 0, 3 * SWAP_SLOT_BYTES);
		assert_int_equal(store_do(fx->st, false, 9, 3, fx->buffer), 0);
		assert_true(pattern_is(fx->buffer, 9, 3, version));
	}
}

/* Random requests against a model, up to 32 at once, each lane of LANE_SLOTS
 * slots used by one request at a time; they end in any order. */
struct lanes {
	struct fixture *fx;
	uint32_t version[32][16];	/* what each slot holds; 0: unknown */
	struct swap_io io[32];		/* slot_count 0: none in flight */
	uint32_t next_version;
	unsigned seed;
};

enum { LANES = 32, LANE_SLOTS = 16 };

static void lane_start(struct lanes *ls, uint32_t lane)
{
	struct swap_io *io = &ls->io[lane];
	uint32_t first = (uint32_t)rand_r(&ls->seed) % LANE_SLOTS;
	uint32_t left = LANE_SLOTS - first;

	*io = (struct swap_io){
		.cookie = UINT64_C(1) << 63 | lane,
		.buffer = slot_buffer(ls->fx, lane * LANE_SLOTS),
		.slot = lane * LANE_SLOTS + first,
		.slot_count = 1 + (uint32_t)rand_r(&ls->seed) % left,
		.is_write = rand_r(&ls->seed) % 2 == 0,
	};
	io->is_ahead = !io->is_write && rand_r(&ls->seed) % 2 == 0;
	if (io->is_write) {
		ls->next_version++;
		pattern_fill(io->buffer, io->slot, io->slot_count,
			     ls->next_version);
		for (uint32_t i = 0; i < io->slot_count; i++)
			ls->version[lane][first + i] = ls->next_version;
	} else {
		memset(io->buffer, 0xee, io->slot_count * SWAP_SLOT_BYTES);
	}
	assert_int_equal(swapstore_submit(ls->fx->st, io), 0);
}

static void lane_finish(struct lanes *ls, const struct swap_done *done)
{
	uint32_t lane = (uint32_t)done->cookie;
	struct swap_io *io;

	assert_in_range(lane, 0, LANES - 1);
	io = &ls->io[lane];
	assert_int_equal(done->cookie, UINT64_C(1) << 63 | lane);
	assert_int_equal(done->result, 0);
	assert_int_equal(done->slot_count, io->slot_count);
	assert_int_equal(done->is_write, io->is_write);
	assert_int_equal(done->is_ahead, io->is_ahead);
	for (uint32_t i = 0; i < io->slot_count && !io->is_write; i++) {
		uint32_t slot = io->slot + i;
		uint32_t version = ls->version[lane][slot % LANE_SLOTS];

		if (version != 0)
			assert_true(pattern_is((char *)io->buffer + (size_t)i *
					       SWAP_SLOT_BYTES, slot, 1,
					       version));
	}
	io->slot_count = 0;
}

static void test_many_at_once(void **state)
{
	static struct lanes ls;
	struct fixture *fx = *state;

	memset(&ls, 0, sizeof(ls));
	ls.fx = fx;
	ls.seed = 42;
	for (int round = 0; round < 3000; round++) {
		uint32_t lane = (uint32_t)rand_r(&ls.seed) % LANES;

		while (ls.io[lane].slot_count != 0) {
			struct swap_done done;

			assert_int_equal(swapstore_flush(fx->st), 0);
			done = store_wait_one(fx->st);
			lane_finish(&ls, &done);
		}
		lane_start(&ls, lane);
	}
	assert_int_equal(swapstore_flush(fx->st), 0);
	while (fx->st->in_flight > 0) {
		struct swap_done done = store_wait_one(fx->st);

		lane_finish(&ls, &done);
	}
}

/* Fill the queue; it must refuse at some point, lose nothing of what it took,
 * and take again once something has been reaped. */
static void test_full_queue(void **state)
{
	struct fixture *fx = *state;
	struct swap_io io = { .slot_count = 1 };
	uint32_t count = 0;
	bool *seen;
	int err;

	for (uint32_t i = 0; i < BUFFER_SLOTS; i++)
		pattern_fill(slot_buffer(fx, i), i, 1, 5);
	for (int round = 0; round < 3; round++) {
		count = 0;
		do {
			io.cookie = count;
			io.slot = count % SLOTS;
			io.buffer = slot_buffer(fx, count % BUFFER_SLOTS);
			io.is_write = io.slot < BUFFER_SLOTS;
			err = swapstore_submit(fx->st, &io);
			count += err == 0;
		} while (err == 0 && count < SUBMITS_MAX);
		assert_int_equal(err, -EAGAIN);
		assert_in_range(count, 16, SUBMITS_MAX);
		assert_int_equal(fx->st->in_flight, count);
		assert_int_equal(swapstore_flush(fx->st), 0);

		seen = calloc(count, sizeof(*seen));
		assert_non_null(seen);
		for (uint32_t i = 0; i < count; i++) {
			struct swap_done done = store_wait_one(fx->st);

			assert_int_equal(done.result, 0);
			assert_in_range(done.cookie, 0, count - 1);
			assert_false(seen[done.cookie]);
			seen[done.cookie] = true;
		}
		free(seen);
		assert_int_equal(fx->st->in_flight, 0);
	}
	for (uint32_t i = 0; i < MIN(count, (uint32_t)BUFFER_SLOTS); i++) {
		assert_int_equal(store_do(fx->st, false, i, 1, fx->buffer), 0);
		assert_true(pattern_is(fx->buffer, i, 1, 5));
	}
}

static int submit_class(struct fixture *fx, enum swap_class class,
			uint32_t slot)
{
	const struct swap_io io = {
		.cookie = class,
		.buffer = slot_buffer(fx, slot % BUFFER_SLOTS),
		.slot = slot,
		.slot_count = 1,
		.is_write = class == SWAP_WRITE,
		.is_ahead = class == SWAP_AHEAD,
	};

	return swapstore_submit(fx->st, &io);
}

/* However many requests of one class wait, some of each other one are taken,
 * and all of them end. */
static void test_room_for_each_class(void **state)
{
	struct fixture *fx = *state;

	for (unsigned full = 0; full < SWAP_CLASSES; full++) {
		uint32_t count[SWAP_CLASSES] = { 0 }, slot = 0;

		while (submit_class(fx, (enum swap_class)full, slot) == 0) {
			slot = (slot + 1) % SLOTS;
			count[full]++;
		}
		for (unsigned c = 0; c < SWAP_CLASSES; c++)
			for (int i = 0; c != full && i < 16; i++) {
				assert_int_equal(submit_class(
					fx, (enum swap_class)c, slot), 0);
				slot = (slot + 1) % SLOTS;
				count[c]++;
			}
		for (unsigned c = 0; c < SWAP_CLASSES; c++)
			assert_int_equal(fx->st->in_flight_of[c], count[c]);
		assert_int_equal(swapstore_flush(fx->st), 0);
		while (fx->st->in_flight > 0) {
			struct swap_done done = store_wait_one(fx->st);

			assert_int_equal(done.result, 0);
			assert_int_equal(swap_class_of(done.is_write,
						       done.is_ahead),
					 done.cookie);
			count[done.cookie]--;
		}
		for (unsigned c = 0; c < SWAP_CLASSES; c++)
			assert_int_equal(count[c], 0);
	}
}

/* In one flush, earlier classes begin first.  (Where requests end in another
 * order than they begin in, the backend's own test looks.) */
static void test_earlier_classes_first(void **state)
{
	struct fixture *fx = *state;

	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(submit_class(fx, SWAP_WRITE, i), 0);
		assert_int_equal(submit_class(fx, SWAP_AHEAD, 100 + i), 0);
		assert_int_equal(submit_class(fx, SWAP_DEMAND, 200 + i), 0);
	}
	assert_int_equal(swapstore_flush(fx->st), 0);
	for (uint32_t i = 0; i < 30; i++) {
		struct swap_done done = store_wait_one(fx->st);

		if (backend->is_ordered)
			assert_int_equal(done.cookie, i / 10);
	}
}

/* The descriptor is readable for as long as one completion waits, also when
 * they are taken one by one, and not readable after that. */
static void test_event_fd(void **state)
{
	enum { COUNT = 8 };
	struct fixture *fx = *state;
	int fd = swapstore_event_fd(fx->st);

	assert_true(fd >= 0);
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < COUNT; i++) {
			struct swap_io io = {
				.cookie = i,
				.buffer = slot_buffer(fx, i),
				.slot = i,
				.slot_count = 1,
				.is_write = round % 2 == 0,
			};

			assert_int_equal(swapstore_submit(fx->st, &io), 0);
		}
		assert_quiet(fx);	/* nothing was flushed */
		assert_int_equal(swapstore_flush(fx->st), 0);
		/* Sleep before each: nobody looks without being told. */
		while (fx->st->in_flight > 0) {
			struct swap_done done;

			wait_readable(fd);
			(void)swapstore_reap(fx->st, &done, 1);
		}
		assert_quiet(fx);
		assert_int_equal(swapstore_event_fd(fx->st), fd);
	}
}

/* What waits before anybody asks for the descriptor shows in it, too. */
static void test_event_fd_asked_for_late(void **state)
{
	struct fixture *fx = *state;
	struct swap_io io = {
		.buffer = fx->buffer,
		.slot_count = 1,
		.is_write = true,
	};

	assert_int_equal(swapstore_submit(fx->st, &io), 0);
	assert_int_equal(swapstore_flush(fx->st), 0);
	while (!is_readable(swapstore_event_fd(fx->st)))
		sched_yield();
	assert_int_equal(store_wait_one(fx->st).result, 0);
	assert_quiet(fx);
}

static void test_counters(void **state)
{
	struct fixture *fx = *state;
	const struct swapstore *st = fx->st;

	assert_int_equal(store_do(fx->st, true, 0, 3, fx->buffer), 0);
	assert_int_equal(store_do(fx->st, true, 9, 1, fx->buffer), 0);
	assert_int_equal(store_do(fx->st, false, 0, 2, fx->buffer), 0);
	assert_int_equal(st->writes, 2);
	assert_int_equal(st->write_bytes, 4 * SWAP_SLOT_BYTES);
	assert_int_equal(st->reads, 1);
	assert_int_equal(st->read_bytes, 2 * SWAP_SLOT_BYTES);
	assert_int_equal(st->write_errors, 0);
	assert_int_equal(st->read_errors, 0);
	assert_int_equal(st->in_flight, 0);
}

/* After destroy the buffers are gone; what was handed over is in the file. */
static void test_destroy_with_writes_in_flight(void **state)
{
	enum { COUNT = 60, RUN = 16 };
	struct fixture *fx = *state;

	for (uint32_t i = 0; i < COUNT; i++) {
		struct swap_io io = {
			.cookie = i,
			.buffer = slot_buffer(fx, i * RUN),
			.slot = i * RUN,
			.slot_count = RUN,
			.is_write = true,
		};

		pattern_fill(io.buffer, io.slot, RUN, 6);
		assert_int_equal(swapstore_submit(fx->st, &io), 0);
	}
	assert_int_equal(swapstore_flush(fx->st), 0);
	swapstore_destroy(fx->st);
	fx->st = NULL;
	memset(fx->buffer, 0, buffer_bytes);
	for (unsigned i = 0; i < FILES && has_files(); i++)
		if (runs_of_files[i].first < COUNT * RUN)
			assert_int_equal(pread(fx->fd[i],
					       slot_buffer(fx, runs_of_files[i]
							   .first),
					       (size_t)file_bytes(i), 0),
					 file_bytes(i));
	if (has_files())
		assert_true(pattern_is(fx->buffer, 0, COUNT * RUN, 6));
}

/* Nothing may move bytes into the buffers any more. */
static void test_destroy_with_reads_in_flight(void **state)
{
	enum { COUNT = 60, RUN = 16 };
	struct fixture *fx = *state;

	for (uint32_t i = 0; i < COUNT; i++) {
		struct swap_io io = {
			.buffer = slot_buffer(fx, i * RUN),
			.slot = i * RUN,
			.slot_count = RUN,
		};

		assert_int_equal(swapstore_submit(fx->st, &io), 0);
	}
	assert_int_equal(swapstore_flush(fx->st), 0);
	swapstore_destroy(fx->st);
	fx->st = NULL;
	assert_int_equal(mprotect(fx->buffer, buffer_bytes, PROT_NONE), 0);
}

static void test_destroy_with_unflushed_requests(void **state)
{
	struct fixture *fx = *state;
	struct swap_io io = {
		.buffer = fx->buffer,
		.slot_count = 4,
		.is_write = true,
	};

	for (int i = 0; i < 10; i++)
		assert_int_equal(swapstore_submit(fx->st, &io), 0);
	swapstore_destroy(fx->st);
	fx->st = NULL;
	swapstore_destroy(NULL);
}

/* A file that ends in the middle of a request: -EIO, never zeros as data. */
static void test_short_file(void **state)
{
	struct fixture *fx = *state;

	int fd = fx->fd[FIRST_FILE];

	if (!has_files())
		return;
	pattern_fill(fx->buffer, 0, 8, 7);
	assert_int_equal(store_do(fx->st, true, 0, 8, fx->buffer), 0);
	assert_int_equal(ftruncate(fd, 4 * SWAP_SLOT_BYTES), 0);
	assert_int_equal(store_do(fx->st, false, 0, 4, fx->buffer), 0);
	assert_true(pattern_is(fx->buffer, 0, 4, 7));
	assert_int_equal(store_do(fx->st, false, 0, 8, fx->buffer), -EIO);
	assert_int_equal(store_do(fx->st, false, 5, 1, fx->buffer), -EIO);
	/* It also ends within a slot. */
	assert_int_equal(ftruncate(fd, SWAP_SLOT_BYTES + 512), 0);
	assert_int_equal(store_do(fx->st, false, 0, 2, fx->buffer), -EIO);
	assert_int_equal(store_do(fx->st, false, 1, 1, fx->buffer), -EIO);
	assert_int_equal(fx->st->read_errors, 4);
	assert_int_equal(fx->st->reads, 1);
}

/* A limit in the middle of a write makes it short; the rest then fails. */
static int write_over_limit(void *arg)
{
	struct fixture *fx = arg;
	struct rlimit limit = { 4 * SWAP_SLOT_BYTES, 4 * SWAP_SLOT_BYTES };
	int err;

	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    setrlimit(RLIMIT_FSIZE, &limit) != 0 || backend->make(fx) != 0)
		return 1;
	err = store_do(fx->st, true, 0, 4, fx->buffer);
	if (err != 0)
		return 2;
	err = store_do(fx->st, true, 0, 8, fx->buffer);
	if (err != -EFBIG && err != -EIO)
		return 3;
	if (fx->st->writes != 1 || fx->st->write_errors != 1)
		return 4;
	swapstore_destroy(fx->st);
	return 0;
}

/* The child makes its own store, for threads do not come along over fork. */
static void test_short_write(void **state)
{
	struct fixture *fx = *state;

	swapstore_destroy(fx->st);
	fx->st = NULL;
	if (has_files())
		assert_int_equal(run_in_child(write_over_limit, fx), 0);
}

/* Reads from a file that may only be written fail with the true reason. */
static int read_from_write_only(void *arg)
{
	struct fixture *fx = arg;
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fx->fd[FIRST_FILE]);
	fx->fd[FIRST_FILE] = open(link, O_WRONLY | O_CLOEXEC);
	if (fx->fd[FIRST_FILE] < 0 || backend->make(fx) != 0)
		return 1;
	if (store_do(fx->st, false, 0, 1, fx->buffer) != -EBADF)
		return 2;
	swapstore_destroy(fx->st);
	return 0;
}

static void test_error_is_passed_on(void **state)
{
	struct fixture *fx = *state;

	swapstore_destroy(fx->st);
	fx->st = NULL;
	if (has_files())
		assert_int_equal(run_in_child(read_from_write_only, fx), 0);
}

/* ---- misuse is a programmer's error, caught in every build */

static const struct swap_io misuses[] = {
	{ .slot = SLOTS, .slot_count = 1 },
	{ .slot = SLOTS - 1, .slot_count = 2 },
	{ .slot = UINT32_MAX, .slot_count = 2 },
	{ .slot = 0, .slot_count = 0 },
	{ .slot = 0, .slot_count = SWAP_IO_SLOTS_MAX + 1 },
};

struct misuse {
	struct fixture *fx;
	struct swap_io io;
};

static int submit_misuse(void *arg)
{
	struct misuse *mu = arg;
	struct rlimit no_core = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	/* cmocka catches signals, and the message is expected. */
	signal(SIGABRT, SIG_DFL);
	close(STDERR_FILENO);
	return swapstore_submit(mu->fx->st, &mu->io);
}

static void test_misuse_aborts(void **state)
{
	struct misuse mu = { .fx = *state };

	for (size_t i = 0; i < ARRAY_SIZE(misuses); i++) {
		mu.io = misuses[i];
		mu.io.buffer = mu.fx->buffer;
		assert_int_equal(run_in_child(submit_misuse, &mu), -SIGABRT);
	}
	mu.io = (struct swap_io){ .slot_count = 1 };
	assert_int_equal(run_in_child(submit_misuse, &mu), -SIGABRT);
	mu.io.buffer = mu.fx->buffer + 512;
	assert_int_equal(run_in_child(submit_misuse, &mu), -SIGABRT);
}

static bool is_allowed(void)
{
	const char *refusal;

	if (strcmp(backend->ops_name, "uring") != 0)
		return true;
	refusal = uring_refusal();
	if (refusal != NULL)
		printf("skipped: io_uring is not allowed here: %s\n", refusal);
	return refusal == NULL;
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_is_what_was_asked_for),
		CASE(test_idle),
		CASE(test_bytes_come_back),
		CASE(test_overwrites),
		CASE(test_many_at_once),
		CASE(test_full_queue),
		CASE(test_room_for_each_class),
		CASE(test_earlier_classes_first),
		CASE(test_event_fd),
		CASE(test_event_fd_asked_for_late),
		CASE(test_counters),
		CASE(test_destroy_with_writes_in_flight),
		CASE(test_destroy_with_reads_in_flight),
		CASE(test_destroy_with_unflushed_requests),
		CASE(test_short_file),
		CASE(test_short_write),
		CASE(test_error_is_passed_on),
		CASE(test_misuse_aborts),
	};
#undef CASE

	for (size_t i = 0; i < ARRAY_SIZE(backends) && argc == 2; i++)
		if (strcmp(argv[1], backends[i].name) == 0)
			backend = &backends[i];
	if (backend == NULL) {
		fprintf(stderr, "usage: conformance_test BACKEND\n");
		return 2;
	}
	if (!is_allowed())
		return 77;
	return cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
}
