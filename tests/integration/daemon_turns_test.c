/* SPDX-License-Identifier: MIT */
/* Proves that what one client asks for does not cost the others more than
 * turns, however large the pool is: while it faults at the smallest limit,
 * drops what it has, pins and unpins a lot, and goes with all of it, a
 * bystander is answered, and memd looks at few frames for it.  Judged by
 * counters; what the bystander waited is printed and proves nothing.
 *
 * The pool is a quarter of this machine's memory.  Only its tables are there,
 * and these are sparse. */
#include "common/clock.h"
#include "tests/integration/daemon_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <cmocka.h>

#define T(name)	MEMD__MESSAGE_TYPE__TYPE_##name
#define MIB	(UINT64_C(1) << 20)

enum {
	RANGE = 32768,			/* pages */
	SAMPLES = 200,
	LOOKS_PER_FAULT = 64,
};

static struct testmemd memd;
static int admin, bystander;
static uint32_t by_segment;
static uint64_t by_page;

static int start(void **state)
{
	char pool[64];
	struct sysinfo info;
	const char *flags[] = { pool, "--swap-size=1G", "--readahead=0",
				"--log-level=info", NULL };

	(void)state;
	assert_int_equal(sysinfo(&info), 0);
	snprintf(pool, sizeof(pool), "--pool-size=%lluM",
		 (unsigned long long)info.totalram * info.mem_unit / MIB / 4);
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	bystander = client_open(&memd, false, NULL);
	close(client_map(bystander, 1024 * MIB, 4096, &by_segment));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close(bystander);
	close(admin);
	return testmemd_stop(&memd);
}

static uint64_t looks(void)
{
	return client_counter(admin, "frames_examined");
}

/* A fault of the bystander's; how long it took. */
static uint64_t wait_for_one(void)
{
	uint64_t start_ns = clock_now_ns();

	client_send_fault(bystander, 1, by_segment, by_page);
	assert_int_equal(client_receive_fault(bystander, 1, by_page), 0);
	by_page++;
	return clock_now_ns() - start_ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t p99_of_bystander(void)
{
	uint64_t ns[SAMPLES];

	for (unsigned i = 0; i < SAMPLES; i++)
		ns[i] = wait_for_one();
	qsort(ns, SAMPLES, sizeof(*ns), compare);
	return ns[SAMPLES * 99 / 100];
}

static void tell(const char *what, uint64_t before_ns, uint64_t during_ns)
{
	print_message("information: %s: bystander's p99 is %.1f times what it "
		      "was\n", what, (double)during_ns / (double)before_ns);
}

/* ---- what the hostile one does */

static int open_limited(uint64_t frames, uint32_t *ret_segment)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;
	Memd__HelloReply *reply;
	int fd = client_open(&memd, false, &reply);

	close(client_map(fd, MIB, 4096, ret_segment));
	limit.has_session = limit.has_frames = true;
	limit.session = reply->session;
	limit.frames = frames;
	memd__hello_reply__free_unpacked(reply, NULL);
	client_send(admin, T(LIMIT_SET), 2, &limit.base);
	client_expect_ok(admin, 2);
	return fd;
}

static void smallest_limit(void **state)
{
	enum { FAULTS = 17 * 30 };
	uint64_t before_ns = p99_of_bystander(), before, ns[FAULTS];
	uint32_t segment;
	int fd = open_limited(1, &segment);

	(void)state;
	before = looks();
	for (unsigned i = 0; i < FAULTS; i++) {
		client_send_fault(fd, 3, segment, i % 17);
		ns[i] = wait_for_one();
		assert_int_equal(client_receive_fault(fd, 3, i % 17), 0);
	}
	assert_true(looks() > before);
	assert_true(looks() - before <= LOOKS_PER_FAULT * FAULTS);
	qsort(ns, FAULTS, sizeof(*ns), compare);
	tell("faults at the smallest limit", before_ns, ns[FAULTS * 99 / 100]);
	close(fd);
}

static void ranges(void **state)
{
	uint64_t before_ns = p99_of_bystander(), before = looks();
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;

	(void)state;
	close(client_map(fd, UINT64_C(4096) * RANGE, 4096, &segment));
	client_send_range(fd, T(PIN), 4, segment, 0, RANGE);
	tell("pinning", before_ns, p99_of_bystander());
	client_expect_ok(fd, 4);
	assert_int_equal(client_counter(admin, "pinned_frames"), RANGE);

	client_send_range(fd, T(UNPIN), 5, segment, 0, RANGE);
	tell("unpinning", before_ns, p99_of_bystander());
	client_expect_ok(fd, 5);
	client_await_counter(admin, "pinned_frames", 0);

	client_send_advise(fd, 6, segment, 0, RANGE,
			   MEMD__ADVICE__ADVICE_DONTNEED);
	tell("dropping", before_ns, p99_of_bystander());
	client_expect_ok(fd, 6);

	client_send_range(fd, T(PIN), 7, segment, 0, RANGE);
	client_expect_ok(fd, 7);
	close(fd);
	tell("going", before_ns, p99_of_bystander());
	client_await_counter(admin, "pinned_frames", 0);
	client_await_counter(admin, "resident_frames", by_page);
	/* There was room all the time. */
	assert_int_equal(looks(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smallest_limit),
		cmocka_unit_test(ranges),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
