/* SPDX-License-Identifier: MIT */
/* Proves that each fault of struct store_fault_plan does what its comment
 * says and nothing else: what the owner is told, what is in its buffer, and
 * what is in the slots below; that what goes wrong depends on the seed alone;
 * that faults reported as success are found by checksums. */
#include "tests/store/store_fault.h"
#include "tests/store/storetest.h"

#include "proto/checksum.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SLOTS = 128, RUN = 8, ALWAYS = 65536, SECTOR = 512 };

static const size_t run_bytes = (size_t)RUN * SWAP_SLOT_BYTES;

/* A faulty store on a memory file that we can look at behind its back. */
struct fixture {
	int fd;
	char *buffer, *below;
	struct swapstore *st;
};

static void create(struct fixture *fx, const struct store_fault_plan *plan)
{
	struct swapstore *inner;

	fx->fd = memfd_create("memd-test", MFD_CLOEXEC);
	assert_true(fx->fd >= 0);
	assert_int_equal(ftruncate(fx->fd, (off_t)SLOTS * SWAP_SLOT_BYTES), 0);
	fx->buffer = buffer_create(run_bytes);
	fx->below = mmap(NULL, (size_t)SLOTS * SWAP_SLOT_BYTES,
			 PROT_READ | PROT_WRITE, MAP_SHARED, fx->fd, 0);
	assert_ptr_not_equal(fx->below, MAP_FAILED);
	assert_int_equal(store_sync_create(SLOTS, 2, &inner), 0);
	assert_int_equal(swapstore_add_file(inner, 0, SWAP_FILE_SLOTS,
					    fx->fd), 0);
	assert_int_equal(store_fault_create(inner, plan, &fx->st), 0);
}

static void destroy(struct fixture *fx)
{
	swapstore_destroy(fx->st);
	munmap(fx->below, (size_t)SLOTS * SWAP_SLOT_BYTES);
	buffer_destroy(fx->buffer, run_bytes);
	close(fx->fd);
}

static char *below(const struct fixture *fx, uint32_t slot)
{
	return fx->below + (size_t)slot * SWAP_SLOT_BYTES;
}

/* All slots hold version 1, the buffer version 2 of [slot, slot + count). */
static void prepare(const struct fixture *fx, uint32_t slot, uint32_t count)
{
	pattern_fill(fx->below, 0, SLOTS, 1);
	pattern_fill(fx->buffer, slot, count, 2);
}

static void test_read_error(void **state)
{
	struct store_fault_plan plan = { .seed = 1, .read_error_rate = ALWAYS };
	struct fixture fx;

	(void)state;
	create(&fx, &plan);
	prepare(&fx, 3, RUN);
	assert_int_equal(store_do(fx.st, false, 3, RUN, fx.buffer), -EIO);
	assert_false(pattern_is(fx.buffer, 3, 1, 1));	/* scribbled over */
	assert_false(pattern_is(fx.buffer, 3, 1, 2));
	assert_true(pattern_is(fx.below, 0, SLOTS, 1));
	assert_int_equal(store_fault_count(fx.st), 1);
	assert_int_equal(fx.st->read_errors, 1);
	/* Writes are not meant. */
	assert_int_equal(store_do(fx.st, true, 3, 1, fx.buffer), 0);
	assert_int_equal(store_fault_count(fx.st), 1);
	destroy(&fx);
}

/* What is lost stays lost until it is written or discarded. */
static void check_forget(struct fixture *fx)
{
	bool is_lost = false;

	prepare(fx, 3, 1);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t before = store_fault_count(fx->st);
		int result = store_do(fx->st, false, 3, 1, fx->buffer);

		is_lost = is_lost || store_fault_count(fx->st) != before;
		assert_int_equal(result, is_lost ? -SWAP_ELOST : 0);
		assert_int_equal(pattern_is(fx->buffer, 3, 1, 1), !is_lost);
		if (i % 8 == 3) {
			pattern_fill(fx->buffer, 3, 1, 1);
			assert_int_equal(store_do(fx->st, true, 3, 1,
						  fx->buffer), 0);
		} else if (i % 8 == 7) {
			swapstore_discard(fx->st, 3, 1);
		}
		is_lost = is_lost && i % 4 != 3;
	}
	assert_true(pattern_is(fx->below, 0, SLOTS, 1));
}

static void test_forget(void **state)
{
	struct store_fault_plan plan = { .forget_rate = ALWAYS / 6 };
	struct fixture fx;

	(void)state;
	for (plan.seed = 1; plan.seed < 20; plan.seed++) {
		create(&fx, &plan);
		check_forget(&fx);
		destroy(&fx);
	}
}

static void check_write_refused(const struct store_fault_plan *plan, int result)
{
	struct fixture fx;

	create(&fx, plan);
	prepare(&fx, 3, RUN);
	assert_int_equal(store_do(fx.st, true, 3, RUN, fx.buffer), result);
	assert_true(pattern_is(fx.below, 0, SLOTS, 1));
	assert_true(pattern_is(fx.buffer, 3, RUN, 2));
	assert_int_equal(store_fault_count(fx.st), 1);
	assert_int_equal(store_do(fx.st, false, 3, RUN, fx.buffer), 0);
	assert_true(pattern_is(fx.buffer, 3, RUN, 1));
	assert_int_equal(store_fault_count(fx.st), 1);
	destroy(&fx);
}

static void test_writes_that_do_not_happen(void **state)
{
	struct store_fault_plan error = { .write_error_rate = ALWAYS };
	struct store_fault_plan full = { .no_space_rate = ALWAYS };
	struct store_fault_plan lost = { .lost_write_rate = ALWAYS };

	(void)state;
	check_write_refused(&error, -EIO);
	check_write_refused(&full, -ENOSPC);
	check_write_refused(&lost, 0);
}

/* New bytes up to a sector, old ones after it, neighbours untouched. */
static void test_torn_write(void **state)
{
	static const uint32_t counts[] = { 1, 2, RUN };

	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct store_fault_plan plan = { .seed = seed,
						 .torn_rate = ALWAYS };
		uint32_t count = counts[seed % 3];
		size_t bytes = (size_t)count * SWAP_SLOT_BYTES, cut = 0;
		struct fixture fx;
		char *old;

		create(&fx, &plan);
		prepare(&fx, 3, count);
		old = buffer_create(run_bytes);
		memcpy(old, below(&fx, 3), bytes);
		assert_int_equal(store_do(fx.st, true, 3, count, fx.buffer),
				 -EIO);
		while (cut < bytes && memcmp(below(&fx, 3) + cut,
					     fx.buffer + cut, SECTOR) == 0)
			cut += SECTOR;
		assert_in_range(cut, SECTOR, bytes - SECTOR);
		assert_memory_equal(below(&fx, 3) + cut, old + cut,
				    bytes - cut);
		assert_true(pattern_is(below(&fx, 0), 0, 3, 1));
		assert_true(pattern_is(below(&fx, 3 + count), 3 + count,
				       SLOTS - 3 - count, 1));
		assert_true(pattern_is(fx.buffer, 3, count, 2));
		buffer_destroy(old, run_bytes);
		destroy(&fx);
	}
}

static void test_short(void **state)
{
	struct store_fault_plan plan = { .short_rate = ALWAYS };
	struct fixture fx;

	(void)state;
	create(&fx, &plan);
	prepare(&fx, 3, RUN);
	assert_int_equal(store_do(fx.st, true, 3, RUN, fx.buffer), -EIO);
	assert_true(pattern_is(below(&fx, 3), 3, RUN / 2, 2));
	assert_true(pattern_is(below(&fx, 3 + RUN / 2), 3 + RUN / 2, RUN / 2,
			       1));
	prepare(&fx, 3, 1);
	assert_int_equal(store_do(fx.st, true, 3, 1, fx.buffer), -EIO);
	assert_true(pattern_is(fx.below, 0, SLOTS, 1));
	prepare(&fx, 3, RUN);
	assert_int_equal(store_do(fx.st, false, 3, RUN, fx.buffer), -EIO);
	assert_true(pattern_is(fx.buffer, 3, RUN / 2, 1));
	assert_true(pattern_is(fx.buffer + run_bytes / 2, 3 + RUN / 2, RUN / 2,
			       2));
	assert_int_equal(store_fault_count(fx.st), 3);
	destroy(&fx);
}

static unsigned differing_bits(const char *a, const char *b, size_t bytes)
{
	unsigned count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += (unsigned)__builtin_popcount((unsigned char)
						      (a[i] ^ b[i]));
	return count;
}

static void test_corrupt_read(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct store_fault_plan plan = { .seed = seed,
						 .corrupt_rate = ALWAYS };
		struct fixture fx;

		create(&fx, &plan);
		prepare(&fx, 3, RUN);
		assert_int_equal(store_do(fx.st, false, 3, RUN, fx.buffer), 0);
		assert_int_equal(differing_bits(fx.buffer, below(&fx, 3),
						run_bytes), 1);
		assert_true(pattern_is(fx.below, 0, SLOTS, 1));
		assert_int_equal(store_fault_count(fx.st), 1);
		destroy(&fx);
	}
}

/* The bytes are those of another run, whole and true. */
static void test_misdirected_read(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct store_fault_plan plan = { .seed = seed,
						 .misdirect_rate = ALWAYS };
		struct fixture fx;
		bool is_found = false;

		create(&fx, &plan);
		prepare(&fx, 3, RUN);
		assert_int_equal(store_do(fx.st, false, 3, RUN, fx.buffer), 0);
		for (uint32_t slot = 0; slot + RUN <= SLOTS; slot++)
			if (pattern_is(fx.buffer, slot, RUN, 1)) {
				assert_int_not_equal(slot, 3);
				is_found = true;
			}
		assert_true(is_found);
		destroy(&fx);
	}
}

/* A read of everything has nowhere else to go: it is left alone. */
static void test_misdirect_without_another_place(void **state)
{
	struct store_fault_plan plan = { .misdirect_rate = ALWAYS };
	struct swapstore *inner, *st;
	char *buffer = buffer_create(run_bytes);

	(void)state;
	assert_int_equal(store_mem_create(RUN, &inner), 0);
	assert_int_equal(store_fault_create(inner, &plan, &st), 0);
	pattern_fill(buffer, 0, RUN, 1);
	assert_int_equal(store_do(st, true, 0, RUN, buffer), 0);
	memset(buffer, 0, run_bytes);
	assert_int_equal(store_do(st, false, 0, RUN, buffer), 0);
	assert_true(pattern_is(buffer, 0, RUN, 1));
	assert_int_equal(store_fault_count(st), 0);
	swapstore_destroy(st);
	buffer_destroy(buffer, run_bytes);
}

static void test_fail_at(void **state)
{
	enum { NTH = 5, REQUESTS = 12 };

	(void)state;
	for (int is_write = 0; is_write < 2; is_write++) {
		struct store_fault_plan plan = { .fail_at = NTH };
		struct fixture fx;

		create(&fx, &plan);
		prepare(&fx, 3, RUN);
		for (int i = 1; i <= REQUESTS; i++)
			assert_int_equal(store_do(fx.st, is_write, 3, 1,
						  fx.buffer),
					 i == NTH ? -EIO : 0);
		assert_int_equal(store_fault_count(fx.st), 1);
		destroy(&fx);
	}
}

enum { RECORDS = 4000 };

/* What each of RECORDS single reads and writes of a store with this plan came
 * to; all at once, so that timing has its chance to matter. */
static void record(const struct store_fault_plan *plan, int *results,
		   uint64_t *ret_faults)
{
	char *buffers = buffer_create((size_t)RECORDS * SWAP_SLOT_BYTES);
	struct fixture fx;

	create(&fx, plan);
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct swap_io io = {
			.cookie = i,
			.buffer = buffers + (size_t)i * SWAP_SLOT_BYTES,
			.slot = i % SLOTS,
			.slot_count = 1,
			.is_write = i % 3 == 0,
		};

		while (swapstore_submit(fx.st, &io) == -EAGAIN) {
			struct swap_done done = store_wait_one(fx.st);

			results[done.cookie] = done.result;
		}
		assert_int_equal(swapstore_flush(fx.st), 0);
	}
	while (fx.st->in_flight > 0) {
		struct swap_done done = store_wait_one(fx.st);

		results[done.cookie] = done.result;
	}
	*ret_faults = store_fault_count(fx.st);
	destroy(&fx);
	buffer_destroy(buffers, (size_t)RECORDS * SWAP_SLOT_BYTES);
}

static const struct store_fault_plan mixed = {
	.seed = 99, .read_error_rate = 3000, .write_error_rate = 3000,
	.no_space_rate = 3000, .torn_rate = 3000, .short_rate = 3000,
	.corrupt_rate = 3000, .misdirect_rate = 3000, .lost_write_rate = 3000,
	.delay_max = 20, .fail_at = 1000,
};

static void test_same_seed_same_faults(void **state)
{
	static int first[RECORDS], again[RECORDS], other[RECORDS];
	struct store_fault_plan plan = mixed;
	uint64_t faults, faults_again, faults_other;

	(void)state;
	record(&plan, first, &faults);
	record(&plan, again, &faults_again);
	plan.seed++;
	record(&plan, other, &faults_other);
	assert_memory_equal(first, again, sizeof(first));
	assert_int_equal(faults, faults_again);
	assert_memory_not_equal(first, other, sizeof(first));
	assert_int_equal(first[999], -EIO);
	assert_int_equal(other[999], -EIO);
}

/* A rate of 1/16 gives about 1/16, within what chance explains. */
static void test_rates(void **state)
{
	static int results[RECORDS];
	struct store_fault_plan plan = { .seed = 5, .read_error_rate = 4096,
					 .write_error_rate = 4096 };
	uint64_t faults;
	unsigned errors = 0;

	(void)state;
	record(&plan, results, &faults);
	for (int i = 0; i < RECORDS; i++)
		errors += results[i] != 0;
	assert_int_equal(errors, faults);
	assert_in_range(faults, RECORDS / 16 * 7 / 10, RECORDS / 16 * 13 / 10);
}

/* Held completions come in another order, none is lost, and the descriptor
 * stays readable while one is held, so that a sleeper comes back for it. */
static void test_delay_reorders(void **state)
{
	enum { COUNT = 100 };
	struct store_fault_plan plan = { .seed = 1, .delay_max = 30 };
	struct swapstore *inner, *st;
	bool seen[COUNT] = { false }, is_reordered = false;
	char *buffer = buffer_create(run_bytes);
	uint64_t last = 0;
	int fd;

	(void)state;
	assert_int_equal(store_mem_create(SLOTS, &inner), 0);
	assert_int_equal(store_fault_create(inner, &plan, &st), 0);
	fd = swapstore_event_fd(st);
	for (uint64_t i = 0; i < COUNT; i++) {
		struct swap_io io = { .cookie = i, .buffer = buffer,
				      .slot_count = 1 };

		assert_int_equal(swapstore_submit(st, &io), 0);
	}
	assert_int_equal(swapstore_flush(st), 0);
	for (int i = 0; i < COUNT; i++) {
		struct swap_done done = store_wait_one(st);

		assert_false(seen[done.cookie]);
		seen[done.cookie] = true;
		is_reordered |= done.cookie < last;
		last = done.cookie;
		assert_int_equal(is_readable(fd), st->in_flight > 0);
	}
	assert_true(is_reordered);
	assert_int_equal(store_fault_count(st), 0);
	swapstore_destroy(st);
	buffer_destroy(buffer, run_bytes);
}

/* Whatever goes wrong: an error, or bytes whose checksum is wrong, or the
 * right bytes. */
static void test_checksums_find_what_is_not_reported(void **state)
{
	enum { ROUNDS = 4000 };
	struct fixture fx;
	struct checksum sums[SLOTS];
	bool is_known[SLOTS] = { false };
	uint32_t version[SLOTS] = { 0 };
	unsigned seed = 8, found = 0;

	(void)state;
	create(&fx, &mixed);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		uint32_t slot = (uint32_t)rand_r(&seed) % SLOTS;
		struct checksum_key key = { 1, slot, version[slot] };
		struct checksum sum;

		if (rand_r(&seed) % 2 == 0) {
			key.generation = version[slot] = i;
			pattern_fill(fx.buffer, slot, 1, i);
			sums[slot] = checksum_of(&key, fx.buffer,
						 SWAP_SLOT_BYTES);
			is_known[slot] = store_do(fx.st, true, slot, 1,
						  fx.buffer) == 0;
			continue;
		}
		if (store_do(fx.st, false, slot, 1, fx.buffer) != 0 ||
		    !is_known[slot])
			continue;
		sum = checksum_of(&key, fx.buffer, SWAP_SLOT_BYTES);
		assert_int_equal(checksum_equal(sum, sums[slot]),
				 pattern_is(fx.buffer, slot, 1,
					    version[slot]));
		found += !checksum_equal(sum, sums[slot]);
	}
	assert_true(found > 50);
	destroy(&fx);
}

/* Errors of the store below come through as they are. */
static void test_inner_errors(void **state)
{
	struct store_fault_plan behave = { 0 };
	struct store_fault_plan torn = { .torn_rate = ALWAYS };
	struct fixture fx;

	(void)state;
	create(&fx, &behave);
	assert_int_equal(ftruncate(fx.fd, 0), 0);
	assert_int_equal(store_do(fx.st, false, 3, 1, fx.buffer), -EIO);
	assert_int_equal(store_fault_count(fx.st), 0);
	destroy(&fx);
	create(&fx, &torn);
	assert_int_equal(ftruncate(fx.fd, 0), 0);
	assert_int_equal(store_do(fx.st, true, 3, 1, fx.buffer), -EIO);
	destroy(&fx);
}

static void test_destroy_in_the_middle(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct store_fault_plan plan = mixed;
		struct fixture fx;

		plan.seed = seed;
		create(&fx, &plan);
		for (uint32_t i = 0; i < 100; i++) {
			struct swap_io io = { .buffer = fx.buffer,
					      .slot = i, .slot_count = RUN,
					      .is_write = true };
			struct swap_done done;

			assert_int_equal(swapstore_submit(fx.st, &io), 0);
			assert_int_equal(swapstore_flush(fx.st), 0);
			(void)swapstore_reap(fx.st, &done, 1);
		}
		destroy(&fx);
	}
}

/* A store below that is full is a full store. */
static void test_full_inner_store(void **state)
{
	struct store_fault_plan plan = { .seed = 3, .torn_rate = ALWAYS };
	struct swap_io io = { .slot_count = 1, .is_write = true };
	struct fixture fx;
	uint32_t count = 0;

	(void)state;
	create(&fx, &plan);
	io.buffer = fx.buffer;
	while (swapstore_submit(fx.st, &io) == 0)
		count++;
	assert_in_range(count, 16, 1023);
	assert_int_equal(swapstore_flush(fx.st), 0);
	while (fx.st->in_flight > 0)
		assert_int_equal(store_wait_one(fx.st).result, -EIO);
	assert_int_equal(store_fault_count(fx.st), count);
	destroy(&fx);
}

static void test_impossible_rate(void **state)
{
	struct store_fault_plan plan = { .torn_rate = ALWAYS + 1 };
	struct swapstore *inner, *st = NULL;

	(void)state;
	assert_int_equal(store_mem_create(0, &inner), -EINVAL);
	assert_int_equal(store_mem_create(SLOTS, &inner), 0);
	assert_int_equal(store_fault_create(inner, &plan, &st), -EINVAL);
	assert_null(st);
	swapstore_destroy(inner);	/* was not taken */
}

/* The array of store_mem is a memory file: no descriptor, no store. */
static int create_mem_without_descriptors(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct swapstore *st = NULL;

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &none) != 0)
		return 1;
	return store_mem_create(SLOTS, &st) == -EMFILE && st == NULL ? 0 : 2;
}

/* No event descriptor to be had: -1, and polling by reap() works. */
static int poll_without_descriptors(void *arg)
{
	struct store_fault_plan plan = { .delay_max = 3 };
	struct swap_io io = { .slot_count = 1 };
	struct rlimit none = { 0, 0 };
	struct swapstore *inner, *st;
	struct swap_done done;

	(void)arg;
	io.buffer = buffer_create(SWAP_SLOT_BYTES);
	if (store_mem_create(SLOTS, &inner) != 0 ||
	    store_fault_create(inner, &plan, &st) != 0 ||
	    setrlimit(RLIMIT_NOFILE, &none) != 0)
		return 1;
	if (swapstore_event_fd(st) != -1 || swapstore_submit(st, &io) != 0 ||
	    swapstore_flush(st) != 0)
		return 2;
	for (int i = 0; st->in_flight > 0; i++)
		if (swapstore_reap(st, &done, 1) > 0 && i > 3)
			return 3;
	swapstore_destroy(st);
	return 0;
}

static void test_no_descriptors(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(create_mem_without_descriptors, NULL), 0);
	assert_int_equal(run_in_child(poll_without_descriptors, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_writes_that_do_not_happen),
		cmocka_unit_test(test_torn_write),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_corrupt_read),
		cmocka_unit_test(test_misdirected_read),
		cmocka_unit_test(test_misdirect_without_another_place),
		cmocka_unit_test(test_fail_at),
		cmocka_unit_test(test_same_seed_same_faults),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_delay_reorders),
		cmocka_unit_test(test_checksums_find_what_is_not_reported),
		cmocka_unit_test(test_inner_errors),
		cmocka_unit_test(test_destroy_in_the_middle),
		cmocka_unit_test(test_full_inner_store),
		cmocka_unit_test(test_impossible_rate),
		cmocka_unit_test(test_no_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
