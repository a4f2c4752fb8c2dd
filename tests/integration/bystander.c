/* SPDX-License-Identifier: MIT */
#include "tests/integration/bystander.h"

#include "common/clock.h"
#include "tests/tier.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOOK_US = 200 };		/* not all the time: that costs, too */

/* ---- the neighbour's side */

bool neighbour_goes_on(struct neighbour *nb)
{
	if (nb->rounds_left == 0 || atomic_load(&nb->must_end))
		return false;
	nb->rounds_left--;
	return true;
}

void neighbour_begin(struct neighbour *nb)
{
	atomic_store(&nb->is_on, true);
}

void neighbour_end(struct neighbour *nb, uint64_t work)
{
	atomic_fetch_add(&nb->work, work);
	atomic_store(&nb->is_on, false);
}

void neighbour_await_gauge(struct neighbour *nb, int admin, const char *name,
			   uint64_t from, uint64_t to)
{
	for (;;) {
		uint64_t value = client_counter(admin, name);

		if (from > to ? value <= to : value >= to)
			return;
		atomic_fetch_add(&nb->seen_between,
				 from > to ? value < from : value > from);
		usleep(LOOK_US);
	}
}

static pid_t start_neighbour(struct neighbour *nb, neighbour_life *live)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Or cmocka would go on here with the tests that follow. */
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	live(nb);
	_exit(EXIT_SUCCESS);
}

/* ---- the bystander's */

static unsigned samples(void)
{
	return tier_get() == TIER_QUICK ? BYSTANDER_SAMPLES / 10 :
					  BYSTANDER_SAMPLES;
}

void bystander_open(struct bystander *bs, const struct testmemd *tm)
{
	*bs = (struct bystander){ .fd = client_open(tm, false, NULL) };
	close(client_map(bs->fd, UINT64_C(4096) * BYSTANDER_PAGES, 4096,
			 &bs->segment));
}

void bystander_close(struct bystander *bs, int admin)
{
	close(bs->fd);
	client_await_counter(admin, "resident_frames", 0);
}

static uint64_t fault(struct bystander *bs, uint64_t page)
{
	uint64_t start_ns = clock_now_ns();

	client_send_fault(bs->fd, 1, bs->segment, page);
	assert_int_equal(client_receive_fault(bs->fd, 1, page), 0);
	return clock_now_ns() - start_ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static struct waits summarize(uint64_t *ns, uint64_t count)
{
	if (count == 0)
		return (struct waits){ 0 };
	qsort(ns, count, sizeof(*ns), compare);
	return (struct waits){ .count = count, .p50_ns = ns[count / 2],
			       .p99_ns = ns[count * 99 / 100] };
}

static struct waits watch_alone(struct bystander *bs)
{
	static uint64_t ns[BYSTANDER_SAMPLES];

	for (unsigned i = 0; i < samples(); i++)
		ns[i] = fault(bs, bs->page++);
	return summarize(ns, samples());
}

/* Until there are enough, or the neighbour has ended.  While it prepares what
 * it will do the bystander stays busy, with a page that it has. */
static uint64_t watch(struct bystander *bs, const struct neighbour *nb,
		      pid_t pid, uint64_t *ns, int *ret_status)
{
	uint64_t count = 0;

	while (count < samples()) {
		if (atomic_load(&nb->is_on))
			ns[count++] = fault(bs, bs->page++);
		else if (waitpid(pid, ret_status, WNOHANG) == pid)
			return count;
		else
			(void)fault(bs, 0);
	}
	*ret_status = -1;
	return count;
}

struct waits bystander_watch(struct bystander *bs, const struct testmemd *tm,
			     neighbour_life *live, unsigned rounds)
{
	static uint64_t ns[BYSTANDER_SAMPLES];
	struct neighbour *nb;
	struct waits waits;
	uint64_t count;
	int status;
	pid_t pid;

	(void)fault(bs, bs->page == 0 ? bs->page++ : 0);
	if (live == NULL)
		return watch_alone(bs);
	nb = mmap(NULL, sizeof(*nb), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(nb, MAP_FAILED);
	nb->memd = tm;
	nb->rounds_left = rounds;
	pid = start_neighbour(nb, live);
	count = watch(bs, nb, pid, ns, &status);
	atomic_store(&nb->must_end, true);
	if (status == -1)
		assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	waits = summarize(ns, count);
	waits.work = atomic_load(&nb->work);
	waits.seen_between = atomic_load(&nb->seen_between);
	munmap(nb, sizeof(*nb));
	return waits;
}
