/* SPDX-License-Identifier: MIT */
/* Proves that named segments are one memory for all that attach them, in one
 * process and in several, in both fault modes and read-only; that a read-only
 * region sees writes and cannot make any; and that creating, attaching and
 * unlinking do what memclient.h says. */
#include "tests/integration/client_helpers.h"

#include <sys/mman.h>

enum { LENGTH = 32 * 4096 };

static struct fake fake;

static void create(struct memclient *mc, const char *name, uint32_t page_size)
{
	struct memclient_segment_options o = { .size = sizeof(o),
					       .page_size = page_size };

	if (memclient_segment_create(mc, name, LENGTH, &o) != 0)
		FAIL("%s\n", memclient_error(mc));
}

static void every_kind_of_region_sees_the_same(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	struct memclient *other = open_client(&fake, 20000);
	uint8_t *p[4];
	size_t length = 0;

	(void)state;
	create(mc, "same", 16384);
	p[0] = attach(mc, "same", MEMCLIENT_FAULT_THREAD, 0, &length);
	p[1] = attach(mc, "same", MEMCLIENT_FAULT_INLINE, 0, NULL);
	p[2] = attach(other, "same", MEMCLIENT_FAULT_THREAD, 1, NULL);
	p[3] = attach(other, "same", MEMCLIENT_FAULT_INLINE, 1, NULL);
	assert_int_equal(length, LENGTH);
	for (unsigned writer = 0; writer < 2; writer++) {
		fake_evict(&fake);
		for (size_t i = 0; i < LENGTH; i++)
			p[writer][i] = (uint8_t)(byte_at(i) + writer);
		fake_evict(&fake);
		fake_age(&fake);
		for (unsigned reader = 0; reader < 4; reader++)
			for (size_t i = 0; i < LENGTH; i++)
				assert_int_equal(p[reader][i], (uint8_t)
						 (byte_at(i) + writer));
	}
	/* Seen at once, without a fault in between. */
	p[0][5]++;
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(p[i][5], p[0][5]);
	memclient_close(mc);
	assert_int_equal(p[2][5], (uint8_t)(byte_at(5) + 2));
	memclient_close(other);
}

static void one_of_two_regions_goes(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p, *q;
	struct memclient_stats s = { .size = sizeof(s) };
	uint64_t detaches;

	(void)state;
	create(mc, "twice", 4096);
	p = attach(mc, "twice", 0, 0, NULL);
	q = attach(mc, "twice", 0, 0, NULL);
	assert_ptr_not_equal(p, q);
	fill(p, LENGTH);
	detaches = fake.control->detaches;
	assert_int_equal(memclient_unmap(mc, p), 0);
	fake_evict(&fake);
	verify(q, LENGTH);
	assert_int_equal(memclient_unmap(mc, q), 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->detaches, detaches + 2);
	memclient_close(mc);
}

/* ---- processes */

static void other_process(void)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = attach(mc, "shared", MEMCLIENT_FAULT_INLINE, 0, NULL);

	verify(p, LENGTH);
	for (size_t i = 0; i < LENGTH; i++)
		p[i]++;
	memclient_close(mc);
}

static void processes_share(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p;

	(void)state;
	create(mc, "shared", 4096);
	p = attach(mc, "shared", 0, 0, NULL);
	fill(p, LENGTH);
	in_child(other_process);
	for (size_t i = 0; i < LENGTH; i++)
		assert_int_equal(p[i], (uint8_t)(byte_at(i) + 1));
	fake_evict(&fake);
	for (size_t i = 0; i < LENGTH; i++)
		assert_int_equal(p[i], (uint8_t)(byte_at(i) + 1));
	memclient_close(mc);
}

/* ---- read-only */

static sigjmp_buf back;

static void on_sigsegv(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static int can_write(uint8_t *p)
{
	struct sigaction sa = { .sa_handler = on_sigsegv }, before;
	volatile int can = 0;

	sigaction(SIGSEGV, &sa, &before);
	if (sigsetjmp(back, 1) == 0) {
		*(volatile uint8_t *)p = 99;
		can = 1;
	}
	sigaction(SIGSEGV, &before, NULL);
	return can;
}

static void read_only_cannot_write(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p, *q;

	(void)state;
	create(mc, "frozen", 4096);
	p = attach(mc, "frozen", 0, 0, NULL);
	q = attach(mc, "frozen", 0, 1, NULL);
	fill(p, LENGTH);
	assert_false(can_write(q));
	assert_false(can_write(q + 4096));
	fake_evict(&fake);
	assert_false(can_write(q + 8192));
	verify(q, LENGTH);
	verify(p, LENGTH);
	assert_int_equal(memclient_advise(mc, q, 4096,
					  MEMCLIENT_ADVICE_DONTNEED), -EACCES);
	verify(p, LENGTH);
	/* Even a program that insists writes into a copy of its own, which
	 * never becomes the segment's. */
	if (mprotect(q, LENGTH, PROT_READ | PROT_WRITE) == 0)
		q[0] = (uint8_t)(q[0] + 1);
	fake_evict(&fake);
	verify(p, LENGTH);
	memclient_close(mc);
}

/* ---- names */

static void names(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	struct memclient_segment_options o = { .size = sizeof(o) };
	uint8_t *p;
	void *q;

	(void)state;
	create(mc, "name", 4096);
	create(mc, "name", 4096);
	o.exclusive = 1;
	assert_int_equal(memclient_segment_create(mc, "name", LENGTH, &o),
			 -EEXIST);
	o.exclusive = 0;
	assert_int_equal(memclient_segment_create(mc, "name", LENGTH + 1, &o),
			 -EEXIST);
	assert_non_null(strstr(memclient_error(mc), "another size"));
	assert_int_equal(memclient_segment_create(mc, "name", LENGTH - 1, &o),
			 0);
	o.page_size = 65536;
	assert_int_equal(memclient_segment_create(mc, "name", LENGTH, &o),
			 -EEXIST);
	o.mode = 01777;
	assert_int_equal(memclient_segment_create(mc, "name", LENGTH, &o),
			 -EINVAL);
	p = attach(mc, "name", 0, 0, NULL);
	fill(p, LENGTH);
	assert_int_equal(memclient_segment_unlink(mc, "name"), 0);
	assert_int_equal(memclient_segment_unlink(mc, "name"), -ENOENT);
	assert_int_equal(memclient_attach(mc, "name", NULL, &q, NULL),
			 -ENOENT);
	fake_evict(&fake);
	verify(p, LENGTH);
	memclient_close(mc);
}

static int attach_pages(struct memclient *mc, uint32_t page_size, void **ret)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .page_size = page_size };

	return memclient_attach(mc, "pages", &o, ret, NULL);
}

static void attaching_checks_the_page_size(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	struct memclient_stats s = { .size = sizeof(s) };
	void *p = NULL;
	uint64_t detaches;

	(void)state;
	create(mc, "pages", 16384);
	assert_int_equal(attach_pages(mc, 8192, &p), -EINVAL);
	detaches = fake.control->detaches;
	assert_int_equal(attach_pages(mc, 4096, &p), -EINVAL);
	assert_non_null(strstr(memclient_error(mc), "pages of 16384 bytes"));
	assert_null(p);
	/* What was refused is not left attached. */
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->detaches, detaches + 1);
	assert_int_equal(attach_pages(mc, 16384, &p), 0);
	fill(p, LENGTH);
	assert_int_equal(memclient_unmap(mc, p), 0);
	assert_int_equal(attach_pages(mc, 0, &p), 0);
	verify(p, LENGTH);
	memclient_close(mc);
}

static int begin(void **state)
{
	(void)state;
	fake_start(&fake);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(&fake, every_kind_of_region_sees_the_same),
		CLIENT_TEST(&fake, one_of_two_regions_goes),
		CLIENT_TEST(&fake, processes_share),
		CLIENT_TEST(&fake, read_only_cannot_write),
		CLIENT_TEST(&fake, names),
		CLIENT_TEST(&fake, attaching_checks_the_page_size),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
