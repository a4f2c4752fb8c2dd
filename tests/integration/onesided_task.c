/* SPDX-License-Identifier: MIT */
#include "tests/integration/onesided_task.h"

#include "tests/integration/testadmin.h"
#include "tests/tier.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

struct testmemd memd;

void start(const char *flag, const char *another)
{
	const char *const flags[] = { "--pool-size=8M", flag, another, NULL };

	assert_int_equal(testmemd_start(&memd, flags), 0);
}

uint64_t counter(const char *name)
{
	uint64_t value = 0;

	assert_int_equal(testadmin_counter(&memd, name, &value), 0);
	return value;
}

void await_nothing_lent(void)
{
	uint64_t lent = counter("lent_frames");

	for (int i = 0; i < 6000 && lent != 0; i++) {
		usleep(10000);
		lent = counter("lent_frames");
	}
	assert_int_equal(lent, 0);
}

void expect_nothing_left(void)
{
	if (testadmin_await_empty(&memd) != 0) {
		testmemd_dump_log(&memd);
		fail();
	}
	await_nothing_lent();
	assert_int_equal(counter("committed_units"), 0);
	assert_int_equal(counter("checksum_errors"), 0);
	assert_int_equal(counter("segments_spoiled"), 0);
}

void stop(void)
{
	expect_nothing_left();
	assert_int_equal(testmemd_stop(&memd), 0);
}

struct crew crew_of(const struct task *t, uint8_t *area)
{
	return (struct crew){
		.model = t->model,
		.area = area,
		.count = UNITS,
		.threads = t->threads,
		.ops = 4000 / t->threads,
		.seed = tier_seed() + t->seed,
	};
}

uint8_t *area_of(const struct task *t, struct memclient *mc)
{
	return t->name != NULL ? program_attach(mc, t->name, t->fault_mode) :
				 program_map(mc, BYTES, t->fault_mode);
}

/* Make the shared segment; all of it is written once, so that one-sided faults
 * are of pages that are in swap files. */
void make_segment(void *arg)
{
	const struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(t, NULL);

	NEED(memclient_segment_create(mc, t->name, BYTES, NULL) == 0);
	crew.area = program_attach(mc, t->name, MEMCLIENT_FAULT_THREAD);
	if (t->journal != NULL)
		crew.count = UNITS / 2;
	crew_fill(&crew);
	for (uint32_t unit = crew.count; unit < UNITS; unit++)
		journal_write(t->journal, crew.area, unit);
	memclient_close(mc);
}

void unlink_segment(void *arg)
{
	const struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);

	NEED(memclient_segment_unlink(mc, t->name) == 0);
	memclient_close(mc);
}
