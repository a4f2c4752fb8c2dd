/* SPDX-License-Identifier: MIT */
/* Proves that the table of faults keeps each page once, finds it, moves it
 * only along its states, never forgets a deadline, and that its own recount
 * agrees after every step of a random walk. */
#include "client/fault/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REGIONS = 5, STEPS = 30000 };

static struct faults fs;
static struct region regions[REGIONS];

static int begin(void **state)
{
	(void)state;
	faults_init(&fs);
	for (unsigned i = 0; i < REGIONS; i++)
		regions[i].idx = (uint16_t)i;
	return 0;
}

static void a_walk_keeps_the_count(void **state)
{
	unsigned seed = 11;
	uint64_t now_ns = 1000;

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		struct region *r = &regions[rand_r(&seed) % REGIONS];
		uint64_t page = (uint64_t)rand_r(&seed) % 700;
		struct fault *f = faults_find(&fs, r, page);

		if (f == NULL) {
			f = faults_add(&fs, r, page, now_ns + 10000000 +
				       (uint64_t)rand_r(&seed));
			assert_true(f != NULL ||
				    fs.count[FAULT_FREE] == 0);
			if (f != NULL)
				assert_ptr_equal(faults_find(&fs, r, page), f);
		} else if (f->state == FAULT_WANTED && step % 4 == 0) {
			fault_enter_reading(&fs, f, (struct own_fault *)&fs);
		} else if (f->state == FAULT_WANTED) {
			fault_enter_asked(&fs, f, step);
		} else if (f->state == FAULT_READING && step % 2 == 0) {
			fault_enter_wanted(&fs, f);
			assert_null(f->own);
		} else if (f->state == FAULT_ASKED && step % 3 == 0) {
			fault_enter_delayed(&fs, f, now_ns);
		} else if (f->state == FAULT_ASKED && step % 3 == 1) {
			fault_enter_wanted(&fs, f);
		} else if (f->state != FAULT_LATE &&
			   f->state != FAULT_READING && step % 5 == 0) {
			fault_enter_late(&fs, f, now_ns + 200000000);
		} else {
			faults_remove(&fs, f);
			assert_null(faults_find(&fs, r, page));
		}
		if (step % 97 == 0) {
			now_ns += 500000;
			while ((f = faults_expire(&fs, now_ns)) != NULL) {
				assert_true(f->deadline_ns <= now_ns);
				faults_remove(&fs, f);
			}
			faults_check(&fs);
		}
	}
}

static void it_fills_and_empties(void **state)
{
	struct fault *f;

	(void)state;
	for (uint64_t page = 0; page < FAULTS_MAX; page++)
		assert_non_null(faults_add(&fs, &regions[0], page, 100 + page));
	assert_null(faults_add(&fs, &regions[1], 0, 1));
	faults_check(&fs);
	assert_int_equal(fs.next_ns, 100);
	assert_null(faults_expire(&fs, 99));
	for (uint64_t page = 0; page < FAULTS_MAX; page++) {
		f = faults_expire(&fs, 100 + page);
		assert_non_null(f);
		assert_int_equal(f->page, page);
		faults_remove(&fs, f);
	}
	assert_null(faults_expire(&fs, UINT64_MAX));
	assert_int_equal(fs.next_ns, UINT64_MAX);
	faults_check(&fs);
}

static void an_outage_shortens_and_repeats(void **state)
{
	struct fault *asked, *delayed;

	(void)state;
	asked = faults_add(&fs, &regions[0], 1, 1000000000);
	delayed = faults_add(&fs, &regions[0], 2, 1000000000);
	fault_enter_asked(&fs, asked, 1);
	fault_enter_asked(&fs, delayed, 1);
	fault_enter_delayed(&fs, delayed, 0);
	faults_forget_asked(&fs);
	assert_int_equal(asked->state, FAULT_WANTED);
	assert_int_equal(delayed->state, FAULT_DELAYED);
	faults_cap_deadlines(&fs, 5000000);
	faults_check(&fs);
	/* The delay ends first, then both are too late. */
	assert_null(faults_expire(&fs, 2000000));
	assert_int_equal(delayed->state, FAULT_WANTED);
	for (unsigned i = 0; i < 2; i++) {
		struct fault *f = faults_expire(&fs, 5000000);

		assert_non_null(f);
		faults_remove(&fs, f);
	}
	assert_null(faults_expire(&fs, 5000000));
	faults_check(&fs);
}

static void delays_grow_to_a_bound(void **state)
{
	struct fault *f = faults_add(&fs, &regions[0], 1, UINT64_MAX);
	uint64_t before_ns = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		fault_enter_asked(&fs, f, i);
		fault_enter_delayed(&fs, f, 0);
		assert_true(f->retry_ns >= before_ns);
		assert_true(f->retry_ns <= 100000000);
		before_ns = f->retry_ns;
		assert_null(faults_expire(&fs, f->retry_ns));
		assert_int_equal(f->state, FAULT_WANTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_walk_keeps_the_count, begin),
		cmocka_unit_test_setup(it_fills_and_empties, begin),
		cmocka_unit_test_setup(an_outage_shortens_and_repeats, begin),
		cmocka_unit_test_setup(delays_grow_to_a_bound, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
