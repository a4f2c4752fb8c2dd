/* SPDX-License-Identifier: MIT */
/* Proves that a program may change what a part of a region is like, where
 * memclient.h allows it: what mprotect(), mlock(), mbind() and madvise() do to
 * a part cuts its mapping into several, also in the middle of a page, and all
 * pages still come and go with their bytes, in both fault modes and with small
 * and large pages.  Where it is not allowed (munmap(), mremap() or mmap() over
 * a part), the rest of the region still works; and a page that is lost is
 * SIGBUS on both sides of such a border. */
#include "tests/integration/client_helpers.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum { UNIT = 4096, LENGTH = 3 * 2097152 };

static struct fake fake;

/* A part that begins and ends inside of large pages, and crosses one. */
enum {
	PART = 2 * 2097152 - 20 * UNIT,
	PART_END = PART + 41 * UNIT,
	PART_LENGTH = PART_END - PART
};

static const struct kind {
	uint32_t page_size, fault_mode;
} kinds[] = {
	{4096, MEMCLIENT_FAULT_THREAD},	   {4096, MEMCLIENT_FAULT_INLINE},
	{65536, MEMCLIENT_FAULT_THREAD},   {65536, MEMCLIENT_FAULT_INLINE},
	{2097152, MEMCLIENT_FAULT_THREAD}, {2097152, MEMCLIENT_FAULT_INLINE},
};

static void verify_outside(const uint8_t *p)
{
	for (size_t i = 0; i < LENGTH; i++)
		if ((i < PART || i >= PART_END) && p[i] != byte_at(i))
			FAIL("wrong byte %d at %zu\n", p[i], i);
}

/* Run `body` on a region of each kind that is full of what verify() expects
 * and all out. */
static void each_kind(void (*body)(uint8_t *p))
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct memclient *mc = open_client(&fake, 20000);
		uint8_t *p = map(mc, LENGTH, kinds[i].page_size,
				 kinds[i].fault_mode);

		/* What goes wrong with borders hangs, else. */
		alarm(120);
		fill(p, LENGTH);
		fake_evict(&fake);
		body(p);
		alarm(0);
		assert_int_equal(memclient_unmap(mc, p), 0);
		memclient_close(mc);
	}
}

/* ---- what works */

static void protect(uint8_t *p)
{
	assert_int_equal(mprotect(p + PART, PART_LENGTH, PROT_READ), 0);
	verify(p, LENGTH);
	fake_evict(&fake);
	p[0] = byte_at(0);
	verify(p, LENGTH);
	assert_int_equal(mprotect(p + PART, PART_LENGTH, PROT_NONE), 0);
	fake_evict(&fake);
	verify_outside(p);
	assert_int_equal(
		mprotect(p + PART, PART_LENGTH, PROT_READ | PROT_WRITE), 0);
	fake_evict(&fake);
	fill(p, LENGTH);
	fake_evict(&fake);
	verify(p, LENGTH);
}

static void parts_may_be_protected(void **state)
{
	(void)state;
	each_kind(protect);
}

/* Every second unit: as many mappings as there can be. */
static void protect_every_second(uint8_t *p)
{
	for (size_t at = PART; at < PART_END; at += 2 * (size_t)UNIT)
		assert_int_equal(mprotect(p + at, UNIT, PROT_READ), 0);
	verify(p, LENGTH);
	fake_evict(&fake);
	/* From the other end. */
	for (size_t at = LENGTH; at > 0; at -= UNIT)
		assert_int_equal(p[at - 1], byte_at(at - 1));
}

static void many_parts_may_be_protected(void **state)
{
	(void)state;
	each_kind(protect_every_second);
}

static void lock(uint8_t *p)
{
	/* ENOMEM: a page was missing that the kernel cannot wait for; it is
	 * locked all the same. */
	if (mlock(p + PART, PART_LENGTH) != 0)
		assert_int_equal(errno, ENOMEM);
	verify(p, LENGTH);
	fake_evict(&fake);
	verify(p, LENGTH);
	fake_age(&fake);
	verify(p, LENGTH);
	assert_int_equal(munlock(p + PART, PART_LENGTH), 0);
	fake_evict(&fake);
	verify(p, LENGTH);
}

static void parts_may_be_locked(void **state)
{
	(void)state;
	each_kind(lock);
}

static void bind_part(uint8_t *p)
{
	enum { BIND = 2 }; /* MPOL_BIND */
	unsigned long nodes = 1;

	assert_int_equal(syscall(SYS_mbind, p + PART,
				 (unsigned long)PART_LENGTH, BIND, &nodes, 8ul,
				 0u),
			 0);
	verify(p, LENGTH);
	fake_evict(&fake);
	verify(p, LENGTH);
}

static void parts_may_be_bound_to_a_node(void **state)
{
	(void)state;
	if (syscall(SYS_mbind, NULL, 0ul, 0, NULL, 0ul, 0u) != 0)
		skip_case("no mbind() here: %s", strerror(errno));
	each_kind(bind_part);
}

static void advise(uint8_t *p)
{
	static const int advice[] = {
		MADV_SEQUENTIAL, MADV_RANDOM, MADV_NORMAL, MADV_DONTNEED,
		MADV_WILLNEED,	 MADV_COLD,   MADV_PAGEOUT};

	for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
		/* Some kernels do not know all. */
		if (madvise(p + PART, PART_LENGTH, advice[i]) != 0)
			assert_int_equal(errno, EINVAL);
		verify(p, LENGTH);
		fake_evict(&fake);
		if (madvise(p + PART, PART_LENGTH, advice[i]) != 0)
			assert_int_equal(errno, EINVAL);
		verify(p, LENGTH);
	}
}

static void parts_may_be_advised_about(void **state)
{
	(void)state;
	each_kind(advise);
}

/* ---- what is not allowed leaves the rest alone */

static void unmap_part(uint8_t *p)
{
	assert_int_equal(munmap(p + PART, PART_LENGTH), 0);
	verify_outside(p);
	fake_evict(&fake);
	verify_outside(p);
}

static void the_rest_outlives_munmap(void **state)
{
	(void)state;
	each_kind(unmap_part);
}

/* Nobody brings pages to where it goes; zeros would be wrong. */
static void move_part(uint8_t *p)
{
	uint8_t *to = mmap(NULL, PART_LENGTH, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_equal(mremap(p + PART, PART_LENGTH, PART_LENGTH,
				MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	for (size_t i = 0; i < 2; i++) {
		verify_outside(p);
		assert_sigbus(to);
		assert_sigbus(to + PART_LENGTH - 1);
		fake_evict(&fake);
	}
	verify_outside(p);
	assert_int_equal(munmap(to, PART_LENGTH), 0);
}

static void the_rest_outlives_mremap(void **state)
{
	(void)state;
	each_kind(move_part);
}

static void map_over(uint8_t *p)
{
	uint8_t *over = mmap(p + PART, PART_LENGTH, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	assert_ptr_equal(over, p + PART);
	for (size_t i = 0; i < PART_LENGTH; i++)
		assert_int_equal(over[i], 0);
	memset(over, 0xa5, PART_LENGTH);
	verify_outside(p);
	fake_evict(&fake);
	verify_outside(p);
	for (size_t i = 0; i < PART_LENGTH; i++)
		assert_int_equal(over[i], 0xa5);
}

static void the_rest_outlives_mmap(void **state)
{
	(void)state;
	each_kind(map_over);
}

/* A SIGBUS of that mapping is none of ours, although it lies in a page of
 * ours. */
static void map_over_what_faults(uint8_t *p)
{
	int empty = memfd_create("empty", MFD_CLOEXEC);

	assert_true(empty >= 0);
	assert_ptr_equal(mmap(p + PART, PART_LENGTH, PROT_READ,
			      MAP_SHARED | MAP_FIXED, empty, 0),
			 p + PART);
	close(empty);
	assert_sigbus(p + PART);
	verify_outside(p);
	assert_sigbus(p + PART_END - 1);
}

static void a_sigbus_of_another_mapping_is_passed_on(void **state)
{
	(void)state;
	each_kind(map_over_what_faults);
}

/* ---- lost pages */

static void lose_pages(uint8_t *p)
{
	assert_int_equal(mprotect(p + PART, PART_LENGTH, PROT_READ), 0);
	fake.control->mode = FAKE_EIO;
	for (size_t i = 0; i < 2; i++) {
		assert_sigbus(p + PART - UNIT);
		assert_sigbus(p + PART);
		assert_sigbus(p + PART_END - UNIT);
		assert_sigbus(p + PART_END);
	}
	fake.control->mode = FAKE_GOOD;
	verify(p, 1024 * UNIT / 4);
}

static void lost_pages_are_lost_on_both_sides(void **state)
{
	(void)state;
	each_kind(lose_pages);
}

#define TEST(body) CLIENT_TEST(&fake, body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parts_may_be_protected),
		TEST(many_parts_may_be_protected),
		TEST(parts_may_be_locked),
		TEST(parts_may_be_bound_to_a_node),
		TEST(parts_may_be_advised_about),
		TEST(the_rest_outlives_munmap),
		TEST(the_rest_outlives_mremap),
		TEST(the_rest_outlives_mmap),
		TEST(a_sigbus_of_another_mapping_is_passed_on),
		TEST(lost_pages_are_lost_on_both_sides),
	};
	int failed;

	fake_start(&fake);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop(&fake);
	return failed;
}
