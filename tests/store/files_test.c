/* SPDX-License-Identifier: MIT */
/* Proves that the stores with files read and write in the file that has the
 * slot, wherever in the space of numbers its run lies, and in no other; that a
 * file can be taken away and another put in its place; that the store leaves
 * the files open and uses no memory for numbers without files; and that misuse
 * is caught.  One row of the table, by name:
 *
 *	files_test uring
 *
 * Exit 77: the kernel does not allow this store. */
#include "tests/store/storetest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BUFFER_SLOTS = 2 * SWAP_IO_SLOTS_MAX, QUEUE_DEPTH = 64, UNITS_MAX = 4 };

static const size_t buffer_bytes = (size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES;

/* The last slot of this run has the largest number, less one: a store of
 * UINT32_MAX slots does not have it. */
#define LAST_UNIT	(UINT32_MAX / SWAP_FILE_SLOTS * SWAP_FILE_SLOTS)

struct fixture {
	struct scratch scratch;
	char *buffer;
	struct swapstore *st;
};

static const struct backend {
	const char *name;
	bool is_uring, is_buffered;
} backends[] = {
	{ "uring", true, false },
	{ "uring-buffered", true, true },
	{ "sync", false, false },
	{ "sync-buffered", false, true },
};

static const struct backend *backend;

static struct swapstore *make_store(struct fixture *fx, uint32_t slot_limit)
{
	const struct swapstore_buffers buffers = { fx->buffer, buffer_bytes };
	struct swapstore *st;

	assert_int_equal(backend->is_uring ?
			 store_uring_create(slot_limit, &buffers, QUEUE_DEPTH,
					    &st) :
			 store_sync_create(slot_limit, 4, &st), 0);
	return st;
}

/* An unlinked file, with O_DIRECT where the file system has it. */
static int make_file(struct fixture *fx, uint32_t slot_count)
{
	const char *path = scratch_file(&fx->scratch, "file");
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, (off_t)slot_count * SWAP_SLOT_BYTES), 0);
	if (!backend->is_buffered)
		(void)fcntl(fd, F_SETFL, O_DIRECT);
	return fd;
}

static int add_file(struct fixture *fx, uint32_t first, uint32_t count)
{
	int fd = make_file(fx, count);

	assert_int_equal(swapstore_add_file(fx->st, first, count, fd), 0);
	return fd;
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_create(&fx->scratch);
	fx->buffer = buffer_create(buffer_bytes);
	fx->st = make_store(fx, UINT32_MAX);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	swapstore_destroy(fx->st);
	buffer_destroy(fx->buffer, buffer_bytes);
	scratch_remove(&fx->scratch);
	free(fx);
	return 0;
}

static void write_slots(struct fixture *fx, uint32_t slot, uint32_t count,
			uint32_t version)
{
	pattern_fill(fx->buffer, slot, count, version);
	assert_int_equal(store_do(fx->st, true, slot, count, fx->buffer), 0);
}

static void assert_slots(struct fixture *fx, uint32_t slot, uint32_t count,
			 uint32_t version)
{
	memset(fx->buffer, 0xee, (size_t)count * SWAP_SLOT_BYTES);
	assert_int_equal(store_do(fx->st, false, slot, count, fx->buffer), 0);
	assert_true(pattern_is(fx->buffer, slot, count, version));
}

/* Slots [slot, slot + count) are at the start of the file. */
static void assert_file_has(struct fixture *fx, int fd, uint32_t slot,
			    uint32_t count, uint32_t version)
{
	size_t bytes = (size_t)count * SWAP_SLOT_BYTES;

	memset(fx->buffer, 0xee, bytes);
	assert_int_equal(pread(fd, fx->buffer, bytes, 0), bytes);
	assert_true(pattern_is(fx->buffer, slot, count, version));
}

/* ---- slots are where they should be */

static const struct {
	uint32_t first, count;
} spread[] = {
	{ LAST_UNIT, SWAP_FILE_SLOTS },
	{ 0, 2 * SWAP_FILE_SLOTS },
	{ 3 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS },	/* after a gap */
	{ 4 * SWAP_FILE_SLOTS, 4 * SWAP_FILE_SLOTS },	/* without one */
	{ 1000 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS },
};

/* The number of slots that a store of UINT32_MAX has of these. */
static uint32_t count_within(size_t idx)
{
	return spread[idx].count - (spread[idx].first == LAST_UNIT);
}

static void test_files_anywhere(void **state)
{
	struct fixture *fx = *state;
	int fd[ARRAY_SIZE(spread)];

	for (size_t i = 0; i < ARRAY_SIZE(spread); i++)
		fd[i] = add_file(fx, spread[i].first, spread[i].count);
	for (size_t i = 0; i < ARRAY_SIZE(spread); i++)
		for (uint32_t at = 0; at < spread[i].count; at += 64)
			write_slots(fx, spread[i].first + at,
				    MIN(64u, count_within(i) - at), 1);
	for (size_t i = 0; i < ARRAY_SIZE(spread); i++) {
		for (uint32_t at = 0; at < count_within(i);
		     at += SWAP_IO_SLOTS_MAX)
			assert_slots(fx, spread[i].first + at,
				     MIN((uint32_t)SWAP_IO_SLOTS_MAX,
					 count_within(i) - at), 1);
		assert_file_has(fx, fd[i], spread[i].first, count_within(i),
				1);
		close(fd[i]);
	}
	/* A page for the first and one for the last numbers. */
	assert_in_range(table_memory_bytes(&fx->st->files.row_table), 1,
			4 * 4096);
}

/* A request may start and end with its file; the neighbours stay. */
static void test_edges(void **state)
{
	enum { RUN = 2 * SWAP_FILE_SLOTS };
	static const uint32_t counts[] = { 1, 2, SWAP_FILE_SLOTS, RUN };
	struct fixture *fx = *state;
	int fd[3];

	for (uint32_t i = 0; i < 3; i++) {
		fd[i] = add_file(fx, i * RUN, RUN);
		write_slots(fx, i * RUN, RUN, 0);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(counts); i++) {
		uint32_t count = counts[i], last = 2 * RUN - count;

		write_slots(fx, RUN, count, 1 + i);
		assert_slots(fx, RUN, count, 1 + i);
		write_slots(fx, last, count, 11 + i);
		assert_slots(fx, last, count, 11 + i);
		assert_file_has(fx, fd[0], 0, RUN, 0);
		assert_file_has(fx, fd[2], 2 * RUN, RUN, 0);
	}
	for (uint32_t i = 0; i < 3; i++)
		close(fd[i]);
}

/* ---- files come and go */

static void test_another_file_in_its_place(void **state)
{
	enum { FIRST = 7 * SWAP_FILE_SLOTS, COUNT = 2 * SWAP_FILE_SLOTS };
	struct fixture *fx = *state;
	int before = add_file(fx, FIRST, COUNT), after;

	write_slots(fx, FIRST, COUNT, 1);
	swapstore_remove_file(fx->st, FIRST, COUNT);
	assert_true(fcntl(before, F_GETFD) >= 0);
	after = add_file(fx, FIRST, COUNT);
	write_slots(fx, FIRST, COUNT, 2);
	assert_slots(fx, FIRST, COUNT, 2);
	assert_file_has(fx, before, FIRST, COUNT, 1);
	assert_file_has(fx, after, FIRST, COUNT, 2);
	/* As two files, in the other order, the first one's as it was. */
	swapstore_remove_file(fx->st, FIRST, COUNT);
	assert_int_equal(swapstore_add_file(fx->st, FIRST + SWAP_FILE_SLOTS,
					    SWAP_FILE_SLOTS, after), 0);
	assert_int_equal(swapstore_add_file(fx->st, FIRST, SWAP_FILE_SLOTS,
					    before), 0);
	assert_slots(fx, FIRST, SWAP_FILE_SLOTS, 1);
	write_slots(fx, FIRST + SWAP_FILE_SLOTS, SWAP_FILE_SLOTS, 3);
	assert_file_has(fx, after, FIRST + SWAP_FILE_SLOTS, SWAP_FILE_SLOTS, 3);
	close(before);
	close(after);
}

/* Other files may come and go while requests are under way. */
static void test_while_requests_are_under_way(void **state)
{
	enum { REQUESTS = 32, RUN = SWAP_FILE_SLOTS / REQUESTS };
	struct fixture *fx = *state;
	int fd = add_file(fx, SWAP_FILE_SLOTS, SWAP_FILE_SLOTS);

	for (uint32_t version = 1; version <= 20; version++) {
		pattern_fill(fx->buffer, SWAP_FILE_SLOTS, SWAP_FILE_SLOTS,
			     version);
		for (uint32_t i = 0; i < REQUESTS; i++) {
			struct swap_io io = {
				.buffer = fx->buffer + (size_t)i * RUN *
					  SWAP_SLOT_BYTES,
				.slot = SWAP_FILE_SLOTS + i * RUN,
				.slot_count = RUN,
				.is_write = true,
			};

			assert_int_equal(swapstore_submit(fx->st, &io), 0);
			if (i == REQUESTS / 2)
				assert_int_equal(swapstore_flush(fx->st), 0);
		}
		for (uint32_t unit = 0; unit < 2; unit++) {
			int other = add_file(fx, unit * 2 * SWAP_FILE_SLOTS,
					     SWAP_FILE_SLOTS);

			swapstore_remove_file(fx->st,
					      unit * 2 * SWAP_FILE_SLOTS,
					      SWAP_FILE_SLOTS);
			close(other);
		}
		assert_int_equal(swapstore_flush(fx->st), 0);
		while (fx->st->in_flight > 0)
			assert_int_equal(store_wait_one(fx->st).result, 0);
		assert_file_has(fx, fd, SWAP_FILE_SLOTS, SWAP_FILE_SLOTS,
				version);
	}
	close(fd);
}

/* Random files come and go, against a model of which file has which slots and
 * what was written there last. */
enum { MODEL_UNITS = 12, MODEL_FILES_MAX = MODEL_UNITS };

struct model {
	struct fixture *fx;
	struct {
		int fd;
		uint32_t first, count;	/* in units; count 0: no file */
	} file[MODEL_FILES_MAX];
	uint32_t version[MODEL_UNITS * SWAP_FILE_SLOTS];	/* 0: zeros */
	unsigned seed;
	uint32_t next_version;
};

static uint32_t pick(struct model *m, uint32_t below)
{
	return (uint32_t)rand_r(&m->seed) % below;
}

static bool is_unit_free(const struct model *m, uint32_t unit)
{
	for (unsigned i = 0; i < MODEL_FILES_MAX; i++)
		if (unit >= m->file[i].first &&
		    unit < m->file[i].first + m->file[i].count)
			return false;
	return unit < MODEL_UNITS;
}

static void model_add(struct model *m, unsigned idx)
{
	uint32_t first = pick(m, MODEL_UNITS), count = 0;

	while (count < UNITS_MAX && is_unit_free(m, first + count))
		count++;
	if (count == 0)
		return;
	count = 1 + pick(m, count);
	m->file[idx].first = first;
	m->file[idx].count = count;
	m->file[idx].fd = add_file(m->fx, first * SWAP_FILE_SLOTS,
				   count * SWAP_FILE_SLOTS);
	memset(&m->version[first * SWAP_FILE_SLOTS], 0,
	       (size_t)count * SWAP_FILE_SLOTS * sizeof(m->version[0]));
}

static void model_remove(struct model *m, unsigned idx)
{
	swapstore_remove_file(m->fx->st, m->file[idx].first * SWAP_FILE_SLOTS,
			      m->file[idx].count * SWAP_FILE_SLOTS);
	close(m->file[idx].fd);
	m->file[idx].count = 0;
}

static bool is_zero(const void *bytes)
{
	static const char zeros[SWAP_SLOT_BYTES];

	return memcmp(bytes, zeros, sizeof(zeros)) == 0;
}

static void model_io(struct model *m, unsigned idx)
{
	uint32_t slots = m->file[idx].count * SWAP_FILE_SLOTS;
	uint32_t at = pick(m, slots);
	uint32_t count = 1 + pick(m, MIN(slots - at,
					 (uint32_t)SWAP_IO_SLOTS_MAX));
	uint32_t slot = m->file[idx].first * SWAP_FILE_SLOTS + at;

	if (pick(m, 2) == 0) {
		write_slots(m->fx, slot, count, ++m->next_version);
		for (uint32_t i = 0; i < count; i++)
			m->version[slot + i] = m->next_version;
		return;
	}
	assert_int_equal(store_do(m->fx->st, false, slot, count,
				  m->fx->buffer), 0);
	for (uint32_t i = 0; i < count; i++) {
		const char *bytes = m->fx->buffer + (size_t)i * SWAP_SLOT_BYTES;
		uint32_t version = m->version[slot + i];

		assert_true(version == 0 ? is_zero(bytes) :
			    pattern_is(bytes, slot + i, 1, version));
	}
}

static void test_random_files(void **state)
{
	static struct model m;

	memset(&m, 0, sizeof(m));
	m.fx = *state;
	m.seed = 42;
	for (int round = 0; round < 3000; round++) {
		unsigned idx = pick(&m, MODEL_FILES_MAX);

		if (m.file[idx].count == 0)
			model_add(&m, idx);
		else if (pick(&m, 10) == 0)
			model_remove(&m, idx);
		else
			model_io(&m, idx);
	}
	assert_true(m.next_version > 100);
	for (unsigned i = 0; i < MODEL_FILES_MAX; i++)
		if (m.file[i].count != 0)
			close(m.file[i].fd);
}

/* ---- what is refused */

enum { NO_SECCOMP = 99 };

static int add_without_memory(void *arg)
{
	struct fixture *fx = arg;
	int fd = make_file(fx, SWAP_FILE_SLOTS);

	if (forbid_syscall(SYS_fallocate, ENOSPC) != 0)
		return NO_SECCOMP;
	for (int i = 0; i < 2; i++)
		if (swapstore_add_file(fx->st, 0, SWAP_FILE_SLOTS, fd) !=
		    -ENOSPC)
			return 1;
	return 0;
}

static void test_no_memory_for_a_file(void **state)
{
	int result = run_in_child(add_without_memory, *state);

	if (result == NO_SECCOMP)
		print_message("skip: no seccomp here\n");
	else
		assert_int_equal(result, 0);
}

static void swallow(int err)
{
	(void)err;
}

static void misuse(struct fixture *fx, int number)
{
	struct swapstore *st = fx->st, *mem;
	struct swap_io io = { .buffer = fx->buffer, .slot_count = 1 };
	const uint32_t unit = SWAP_FILE_SLOTS;
	int fd = make_file(fx, unit);

	/* Units 1, 2 and 3 are one file, unit 4 is another. */
	switch (number) {
	case 0:			/* a slot in no file */
		swallow(swapstore_submit(st, &io));
		break;
	case 1:			/* from one file into the next */
		io.slot = 4 * unit - 1;
		io.slot_count = 2;
		swallow(swapstore_submit(st, &io));
		break;
	case 2:			/* past the end */
		io.slot = 5 * unit - 1;
		io.slot_count = 2;
		swallow(swapstore_submit(st, &io));
		break;
	case 3:			/* from no file into one */
		io.slot = unit - 1;
		io.slot_count = 2;
		swallow(swapstore_submit(st, &io));
		break;
	case 4:			/* numbers that are taken */
		swallow(swapstore_add_file(st, 3 * unit, unit, fd));
		break;
	case 5:
		swallow(swapstore_add_file(st, 1, unit, fd));
		break;
	case 6:
		swallow(swapstore_add_file(st, 0, unit - 1, fd));
		break;
	case 7:
		swallow(swapstore_add_file(st, 0, 0, fd));
		break;
	case 8:			/* above the largest number */
		swallow(swapstore_add_file(st, LAST_UNIT, 2 * unit, fd));
		break;
	case 9:
		swallow(swapstore_add_file(st, 0, unit, -1));
		break;
	case 10:		/* a part of a file */
		swapstore_remove_file(st, unit, 2 * unit);
		break;
	case 11:
		swapstore_remove_file(st, 2 * unit, 2 * unit);
		break;
	case 12:		/* two files */
		swapstore_remove_file(st, unit, 4 * unit);
		break;
	case 13:		/* no file */
		swapstore_remove_file(st, 5 * unit, unit);
		break;
	case 14:		/* a file in use */
		io.slot = 3 * unit;
		swallow(swapstore_submit(st, &io));
		swapstore_remove_file(st, unit, 3 * unit);
		break;
	default:		/* a store without files */
		swallow(store_mem_create(5 * unit, &mem));
		swallow(swapstore_add_file(mem, 0, unit, fd));
	}
}

struct misuse_case {
	struct fixture *fx;
	int number;
};

static int run_misuse(void *arg)
{
	const struct misuse_case *mc = arg;
	struct rlimit no_core = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	/* cmocka catches signals, and the message is expected. */
	signal(SIGABRT, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	close(STDERR_FILENO);
	/* A ring and threads do not come along over fork. */
	mc->fx->st = make_store(mc->fx, UINT32_MAX);
	(void)add_file(mc->fx, SWAP_FILE_SLOTS, 3 * SWAP_FILE_SLOTS);
	(void)add_file(mc->fx, 4 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS);
	misuse(mc->fx, mc->number);
	return 0;
}

static void test_misuse_aborts(void **state)
{
	struct fixture *fx = *state;

	swapstore_destroy(fx->st);
	fx->st = NULL;
	for (int i = 0; i <= 15; i++) {
		struct misuse_case mc = { fx, i };

		if (run_in_child(run_misuse, &mc) != -SIGABRT)
			fail_msg("misuse %d does not abort", i);
	}
}

/* Any file is right by itself: what test_misuse_aborts() sees is what it
 * names. */
static void test_use_does_not_abort(void **state)
{
	struct fixture *fx = *state;
	int one = add_file(fx, SWAP_FILE_SLOTS, 3 * SWAP_FILE_SLOTS);
	int two = add_file(fx, 4 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS);

	write_slots(fx, 3 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS, 1);
	write_slots(fx, 4 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS, 1);
	swapstore_remove_file(fx->st, SWAP_FILE_SLOTS, 3 * SWAP_FILE_SLOTS);
	swapstore_remove_file(fx->st, 4 * SWAP_FILE_SLOTS, SWAP_FILE_SLOTS);
	close(one);
	close(two);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_files_anywhere),
		CASE(test_edges),
		CASE(test_another_file_in_its_place),
		CASE(test_while_requests_are_under_way),
		CASE(test_random_files),
		CASE(test_no_memory_for_a_file),
		CASE(test_misuse_aborts),
		CASE(test_use_does_not_abort),
	};
#undef CASE
	const char *refusal;

	for (size_t i = 0; i < ARRAY_SIZE(backends) && argc == 2; i++)
		if (strcmp(argv[1], backends[i].name) == 0)
			backend = &backends[i];
	if (backend == NULL) {
		fprintf(stderr, "usage: files_test BACKEND\n");
		return 2;
	}
	refusal = backend->is_uring ? uring_refusal() : NULL;
	if (refusal != NULL) {
		printf("skipped: io_uring is not allowed here: %s\n", refusal);
		return 77;
	}
	return cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
}
