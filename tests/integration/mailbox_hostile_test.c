/* SPDX-License-Identifier: MIT */
/* Proves that a client that scribbles over its mailbox harms only itself: all
 * of it (states, lengths, frames, the bits of what was asked and answered) is
 * overwritten at random, with garbage, with messages and with messages that
 * have been bitten, and its pages are punched out, as fast as that goes; all
 * the while an honest program beside it pages several times its share of the
 * pool and reads its own bytes.  Afterwards everything is free again, and
 * memd's own check of its tables is clean.
 *
 *   mailbox_hostile_test [SEED] */
#include "client/include/memclient.h"
#include "tests/integration/mailbox_client.h"
#include "tests/integration/model.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	ROUNDS = 20000,
	HONEST_ACCESSES = 20000,	/* at least; with two sets of pages */
	HONEST_UNITS = 2048,
	SEGMENT_BYTES = 4 << 20,
	PAGES = SEGMENT_BYTES / 4096,
};

static struct testmemd memd;
static uint64_t seed = 1, rng;

static struct {
	atomic_int must_stop;
	_Atomic uint64_t accesses;
} *shared;

static uint64_t roll(uint64_t below)
{
	return model_random(&rng) % below;
}

/* ---- the honest one, a process of its own */

static uint8_t *map(struct memclient *mc, uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *base = NULL;

	if (memclient_map(mc, (size_t)HONEST_UNITS * MODEL_UNIT_BYTES, &o,
			  &base) != 0)
		_exit(2);
	return base;
}

static void check(struct model *m, uint8_t *base, uint64_t *own)
{
	uint32_t unit = (uint32_t)(model_random(own) % HONEST_UNITS);

	if (model_random(own) % 2 == 0)
		model_write(m, base, unit);
	else if (!model_verify(m, base, unit, true, own))
		_exit(1);
	atomic_fetch_add(&shared->accesses, 1);
}

static void be_honest(void)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 120000 };
	struct model *first = model_create(HONEST_UNITS, 1);
	struct model *second = model_create(HONEST_UNITS, 2);
	struct memclient *mc = NULL;
	uint64_t own = seed;
	char address[128];
	uint8_t *inlined, *threaded;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, SIG_DFL);	/* not cmocka's */
	snprintf(address, sizeof(address), "unix:%s", memd.socket);
	err = memclient_open(address, &o, &mc);
	if (err != 0)
		_exit(err == -EPERM ? 77 : 3);
	inlined = map(mc, MEMCLIENT_FAULT_INLINE);
	threaded = map(mc, MEMCLIENT_FAULT_THREAD);
	while (!atomic_load(&shared->must_stop)) {
		check(first, inlined, &own);
		check(second, threaded, &own);
	}
	memclient_close(mc);
	_exit(0);
}

static pid_t start_honest(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_honest();
	return pid;
}

static bool has_ended(pid_t pid, int *ret_status)
{
	return waitpid(pid, ret_status, WNOHANG) == pid;
}

/* ---- the other one */

static void scribble(const struct mailbox_client *mc)
{
	uint8_t *bytes = (uint8_t *)mc->box;
	size_t at = roll(sizeof(*mc->box));
	size_t count = roll(8) == 0 ? roll(sizeof(*mc->box)) : roll(64);

	for (; count > 0 && at < sizeof(*mc->box); count--, at++)
		*(volatile uint8_t *)&bytes[at] = (uint8_t)roll(256);
}

static uint32_t odd_length(void)
{
	static const uint32_t odd[] = { 0, 1, 23, 24, 25, 495, 496, 497, 512,
					65536, INT32_MAX, UINT32_MAX };

	return roll(4) == 0 ? (uint32_t)model_random(&rng) :
			      odd[roll(ARRAY_SIZE(odd))];
}

static size_t some_touched(const struct mailbox_client *mc, uint8_t *to)
{
	Memd__Touched m = MEMD__TOUCHED__INIT;
	Memd__Range range[16], *ranges[16];
	ssize_t packed;

	for (size_t i = 0; i < ARRAY_SIZE(range); i++) {
		memd__range__init(&range[i]);
		range[i].first = roll(PAGES);
		range[i].count = roll(3) == 0 ? model_random(&rng) :
						roll(PAGES);
		ranges[i] = &range[i];
	}
	m.segment = mc->segment;
	m.n_range = roll(ARRAY_SIZE(range) + 1);
	m.range = ranges;
	m.has_fault_count = true;
	m.fault_count = (uint32_t)model_random(&rng);
	m.has_total_ns = true;
	m.total_ns = model_random(&rng);
	packed = wire_pack(T(TOUCHED), 0, &m.base, 0, to, MAILBOX_FRAME_BYTES);
	return packed > 0 ? (size_t)packed : 0;
}

static size_t some_fault(const struct mailbox_client *mc, uint8_t *to)
{
	Memd__Fault m = MEMD__FAULT__INIT;
	uint64_t page[3] = { roll(PAGES), roll(PAGES), roll(PAGES) };
	ssize_t packed;

	m.segment = roll(16) == 0 ? (uint32_t)roll(100) : mc->segment;
	m.n_page = roll(8) == 0 ? roll(4) : 1;
	m.page = page;
	packed = wire_pack(T(FAULT), model_random(&rng), &m.base, 0, to,
			   MAILBOX_FRAME_BYTES);
	return packed > 0 ? (size_t)packed : 0;
}

/* A message, bitten or not, in whatever cell. */
static void put_message(const struct mailbox_client *mc)
{
	uint8_t frame[MAILBOX_FRAME_BYTES];
	unsigned cell = (unsigned)roll(MAILBOX_CELLS);
	size_t count = roll(4) == 0 ? some_touched(mc, frame) :
				      some_fault(mc, frame);

	for (uint64_t bites = roll(4) == 0 ? roll(8) : 0;
	     bites > 0 && count > 0; bites--)
		frame[roll(count)] = (uint8_t)roll(256);
	atomic_store(&mc->box->cell[cell].is_library, (uint32_t)roll(2));
	mailbox_client_put(mc, cell, frame, count, roll(8) == 0 ?
			   odd_length() : (uint32_t)count);
}

static void play_with_states(const struct mailbox_client *mc)
{
	struct mailbox_cell *cell = &mc->box->cell[roll(MAILBOX_CELLS)];

	atomic_store(&cell->state, (uint32_t)roll(7));
	atomic_store(&cell->is_waiting, (uint32_t)roll(2));
	atomic_store(&mc->box->daemon_sleeps, (uint32_t)roll(2));
	atomic_store(&mc->box->library_sleeps, (uint32_t)roll(2));
	atomic_fetch_or(&mc->box->answered, model_random(&rng));
	atomic_fetch_or(&mc->box->asked, model_random(&rng));
}

/* Until it rings for the first time it can. */
static void punch(const struct mailbox_client *mc)
{
	(void)!fallocate(mc->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)roll(sizeof(*mc->box)),
			 (off_t)(1 + roll(sizeof(*mc->box))));
}

/* Rings of memd's: it disconnects who does not read. */
static void drain(const struct mailbox_client *mc)
{
	uint8_t bytes[4096];
	ssize_t n;

	do
		n = recv(mc->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	assert_true(n < 0 && errno == EAGAIN);
}

static void one_round(const struct mailbox_client *mc)
{
	for (uint64_t i = roll(32); i > 0; i--) {
		uint64_t what = roll(16);

		if (what < 8)
			put_message(mc);
		else if (what < 12)
			scribble(mc);
		else if (what < 15)
			play_with_states(mc);
		else
			atomic_store(&mc->box->asked, UINT64_MAX);
	}
	if (roll(64) == 0)
		punch(mc);
	if (roll(4) == 0)
		mailbox_client_ring(mc);
	drain(mc);
}

/* memd has come round to everything when it answers what came last. */
static void ask_in_order(struct mailbox_client *mc)
{
	memset(mc->box, 0, sizeof(*mc->box));
	client_send(mc->fd, T(SESSION_STATS), 5, NULL);
	for (;;) {
		struct answer a;
		bool is_it;

		assert_true(client_try_receive(mc->fd, &a));
		is_it = a.header.type == T(SESSION_STATS_REPLY);
		assert_true(is_it || a.header.type == T(RING) ||
			    a.header.type == T(AGE));
		answer_free(&a);
		if (is_it)
			return;
	}
}

static void scribbling_harms_nobody_else(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, SEGMENT_BYTES);
	int admin = client_open(&memd, true, NULL), status = 0;
	pid_t honest = start_honest();

	(void)state;
	for (unsigned i = 0; i < ROUNDS ||
	     atomic_load(&shared->accesses) < HONEST_ACCESSES; i++) {
		one_round(&mc);
		if (i % 64 == 0 && has_ended(honest, &status))
			break;
	}
	ask_in_order(&mc);
	atomic_store(&shared->must_stop, 1);
	if (status == 0)
		assert_int_equal(waitpid(honest, &status, 0), honest);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip_case("no userfaultfd for clients here");
	assert_int_equal(status, 0);
	assert_int_equal(client_counter(admin, "protocol_errors"), 0);
	assert_true(client_counter(admin, "mailbox_requests") > ROUNDS);
	mailbox_client_close(&mc);
	client_await_counter(admin, "mailboxes", 0);
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "faults_waiting", 0);
	client_await_counter(admin, "free_frames",
			     client_counter(admin, "frame_count"));
	client_await_counter(admin, "free_slots",
			     client_counter(admin, "slot_count"));
	close(admin);
}

static int begin(void **state)
{
	static const char *const flags[] = { "--pool-size=4M",
		"--log-level=warning", NULL };

	(void)state;
	rng = seed;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : testmemd_start(&memd, flags);
}

static int end(void **state)
{
	(void)state;
	return testmemd_stop(&memd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scribbling_harms_nobody_else),
	};
	int failed;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	failed = cmocka_run_group_tests(tests, begin, end);
	if (failed != 0)
		fprintf(stderr, "seed %ju\n", (uintmax_t)seed);
	return skip_exit_status(failed, 1);
}
