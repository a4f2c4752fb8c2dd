/* SPDX-License-Identifier: MIT */
/* Proves that deferred work runs once for each time that it was put on the
 * list, in order, and that what becomes due meanwhile waits for the next
 * run. */
#include "common/deferred.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct deferred list;
static char log_text[16];

struct worker {
	struct deferred_work work;
	char name;
	struct worker *also;		/* defers that */
};

static void run(void *ctx)
{
	struct worker *w = ctx;

	strncat(log_text, &w->name, 1);
	if (w->also != NULL)
		defer(&list, &w->also->work);
}

static struct worker make(char name)
{
	return (struct worker){ .work.run = run, .name = name };
}

static int setup(void **state)
{
	(void)state;
	deferred_init(&list);
	log_text[0] = '\0';
	return 0;
}

static void once_and_in_order(void **state)
{
	struct worker a = make('a'), b = make('b');

	(void)state;
	a.work.ctx = &a;
	b.work.ctx = &b;
	deferred_run(&list);
	defer(&list, &b.work);
	defer(&list, &a.work);
	defer(&list, &b.work);
	deferred_run(&list);
	assert_string_equal(log_text, "ba");
	assert_true(deferred_is_empty(&list));
	deferred_run(&list);
	assert_string_equal(log_text, "ba");
}

static void what_comes_meanwhile_waits(void **state)
{
	struct worker a = make('a'), b = make('b');

	(void)state;
	a.work.ctx = &a;
	b.work.ctx = &b;
	a.also = &a;			/* again */
	b.also = &a;			/* due already */
	defer(&list, &a.work);
	defer(&list, &b.work);
	deferred_run(&list);
	assert_string_equal(log_text, "ab");
	assert_false(deferred_is_empty(&list));
	a.also = NULL;
	deferred_run(&list);
	assert_string_equal(log_text, "aba");
	assert_true(deferred_is_empty(&list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(once_and_in_order, setup),
		cmocka_unit_test_setup(what_comes_meanwhile_waits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
