/* SPDX-License-Identifier: MIT */
/* Proves, with a real pager ("embedded:"), that what memclient.h says of pins,
 * advice, read-only regions, page sizes, names and groups is what the calls
 * give, where that is decided on the other side. */
#include "tests/integration/client_helpers.h"

#include <grp.h>

enum { PAGE = 4096, PAGES = 64, LENGTH = PAGES * PAGE, SOMEBODY = 12345 };

/* 1024 frames. */
#define ADDRESS "embedded:pool_size=4M,swap_size=16M,store=mem"

static struct fake none = { .address = ADDRESS };

static uint8_t *share(struct memclient *mc, const char *name)
{
	if (memclient_segment_create(mc, name, LENGTH, NULL) != 0)
		FAIL("%s\n", memclient_error(mc));
	return attach(mc, name, 0, 0, NULL);
}

static uint64_t resident(struct memclient *mc)
{
	struct memclient_stats s = { .size = sizeof(s) };

	REQUIRE(memclient_stats(mc, &s) == 0);
	return s.resident_bytes;
}

static void pins_are_undone_as_they_were_made(void **state)
{
	struct memclient *mc = open_client(&none, 20000);
	uint8_t *p = map(mc, LENGTH, 0, 0);

	(void)state;
	assert_int_equal(memclient_unpin(mc, p, 8 * PAGE), -EINVAL);
	assert_int_equal(memclient_pin(mc, p + 5, 7 * PAGE), 0);
	assert_int_equal(memclient_unpin(mc, p, 4 * PAGE), -EINVAL);
	assert_int_equal(memclient_unpin(mc, p, 9 * PAGE), -EINVAL);
	assert_int_equal(memclient_unpin(mc, p, LENGTH + 1), -EINVAL);
	/* The same pages. */
	assert_int_equal(memclient_unpin(mc, p, 8 * PAGE), 0);
	assert_int_equal(memclient_unpin(mc, p, 8 * PAGE), -EINVAL);
	memclient_close(mc);
}

static void half_of_the_pool_may_be_pinned(void **state)
{
	const size_t half = (size_t)2 << 20;
	struct memclient *mc = open_client(&none, 20000);
	uint8_t *p = map(mc, 2 * half, 0, 0);

	(void)state;
	assert_int_equal(memclient_pin(mc, p, half + 1), -ENOMEM);
	/* Nothing was, so all of it still may be. */
	assert_int_equal(memclient_pin(mc, p, half), 0);
	assert_int_equal(memclient_pin(mc, p, 1), -ENOMEM);
	assert_int_equal(memclient_unpin(mc, p, half), 0);
	memclient_close(mc);
}

static void pinned_pages_stay(void **state)
{
	struct memclient *mc = open_client(&none, 20000);
	uint8_t *p = map(mc, LENGTH, 0, 0);

	(void)state;
	fill(p, LENGTH);
	assert_int_equal(memclient_pin(mc, p, PAGE), 0);
	assert_int_equal(memclient_advise(mc, p, PAGE,
					  MEMCLIENT_ADVICE_PAGEOUT), -EBUSY);
	assert_int_equal(memclient_advise(mc, p, PAGE,
					  MEMCLIENT_ADVICE_DONTNEED), -EBUSY);
	verify(p, LENGTH);
	assert_int_equal(memclient_unpin(mc, p, PAGE), 0);
	memclient_close(mc);
}

static void who_may_only_read_evicts_nothing(void **state)
{
	struct memclient *mc = open_client(&none, 20000);
	uint8_t *p = share(mc, "mine"), *q;

	(void)state;
	fill(p, LENGTH);
	/* While it is attached for writing, too, the advice is taken. */
	assert_int_equal(memclient_unmap(mc, p), 0);
	q = attach(mc, "mine", 0, 1, NULL);
	assert_int_equal(resident(mc), LENGTH);
	assert_int_equal(memclient_advise(mc, q, LENGTH,
					  MEMCLIENT_ADVICE_COLD), 0);
	assert_int_equal(memclient_advise(mc, q, LENGTH,
					  MEMCLIENT_ADVICE_PAGEOUT), 0);
	assert_int_equal(resident(mc), LENGTH);
	assert_int_equal(memclient_advise(mc, q, LENGTH,
					  MEMCLIENT_ADVICE_DONTNEED), -EACCES);
	/* It could have attached it for writing. */
	assert_int_equal(memclient_pin(mc, q, PAGE), 0);
	assert_int_equal(memclient_unpin(mc, q, PAGE), 0);
	verify(q, LENGTH);
	/* Whoever may write, may. */
	p = attach(mc, "mine", 0, 0, NULL);
	assert_int_equal(memclient_advise(mc, p, LENGTH,
					  MEMCLIENT_ADVICE_PAGEOUT), 0);
	assert_true(resident(mc) < LENGTH);
	verify(p, LENGTH);
	memclient_close(mc);
}

static void arguments_are_refused(void **state)
{
	struct memclient *mc = open_client(&none, 20000);
	struct memclient_map_options o = { .size = sizeof(o),
					   .read_only = 1 };
	struct memclient_segment_options s = { .size = sizeof(s),
					       .group = "no such group" };
	void *p = NULL;

	(void)state;
	assert_int_equal(memclient_map(mc, PAGE, &o, &p), -EINVAL);
	o.read_only = 0;
	o.page_size = 2097152;	/* the pool has two of them */
	assert_int_equal(memclient_map(mc, PAGE, &o, &p), -EINVAL);
	share(mc, "small");
	assert_int_equal(memclient_attach(mc, "small", &o, &p, NULL), -EINVAL);
	o.page_size = 5000;
	assert_int_equal(memclient_attach(mc, "small", &o, &p, NULL), -EINVAL);
	assert_null(p);
	assert_int_equal(memclient_segment_unlink(mc, "a/b"), -EINVAL);
	assert_int_equal(memclient_segment_unlink(mc, "none"), -ENOENT);
	assert_int_equal(memclient_segment_create(mc, "group", PAGE, &s),
			 -EINVAL);
	memclient_close(mc);
}

/* Root may give a segment to any group. */
static void use_groups(void)
{
	struct memclient_segment_options o = { .size = sizeof(o),
					       .group = "54321" };
	struct memclient *mc;

	if (getuid() == 0)
		REQUIRE(setgroups(0, NULL) == 0 && setgid(SOMEBODY) == 0 &&
			setuid(SOMEBODY) == 0);
	mc = open_client(&none, 20000);
	REQUIRE(memclient_segment_create(mc, "group", PAGE, &o) == -EPERM);
	REQUIRE(memclient_attach(mc, "group", NULL, &(void *){ NULL }, NULL) ==
		-ENOENT);
	memclient_close(mc);
}

static void groups_of_others_are_refused(void **state)
{
	(void)state;
	in_child(use_groups);
}

#define TEST(body) CLIENT_TEST(&none, body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pins_are_undone_as_they_were_made),
		TEST(half_of_the_pool_may_be_pinned),
		TEST(pinned_pages_stay),
		TEST(who_may_only_read_evicts_nothing),
		TEST(arguments_are_refused),
		TEST(groups_of_others_are_refused),
	};
	struct memclient *mc = NULL;

	if (memclient_open(ADDRESS, NULL, &mc) == -EPERM) {
		fprintf(stderr, "SKIP: %s\n", memclient_error(NULL));
		return 77;
	}
	memclient_close(mc);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
