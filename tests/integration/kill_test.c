/* SPDX-License-Identifier: MIT */
/* Proves: a client killed with SIGKILL at any moment (connecting, mapping,
 * sharing, faulting in either mode, pinning) leaves nothing behind: frames,
 * pins, slots and descriptors are back, and a client beside it reads its own
 * bytes all the while.  Each is killed when it has come to one of these stages,
 * or a while later; however slow the machine, some are killed after each.
 *
 *   kill_test [--kills N] [--seed N] [--mailbox yes|no]
 *             [--replacement lirs|two-hands]
 *
 * With N = 12 at least; fewer do not come to every stage in both modes. */
#include "client/include/memclient.h"
#include "common/checks.h"
#include "common/clock.h"
#include "tests/integration/model.h"
#include "tests/integration/testadmin.h"
#include "tests/integration/testmemd.h"
#include "tests/tier.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UNITS = 1024, SHARED_UNITS = 512, THREADS = 2, PATIENCE_S = 120 };
#define SHARED_NAME "kill-shared"

/* memd keeps the pipes of as many captures as were once under way. */
enum { PIPES_MOST = 64 };

/* What a victim has done. */
enum stage { STARTED, CONNECTED, MAPPED, ATTACHED, FAULTED, PINNED, STAGES };
enum { MODES = 2 };			/* MEMCLIENT_FAULT_INLINE and _THREAD */

static const char *const stage_names[STAGES] = {
	"started", "connected", "mapped", "attached", "faulted", "pinned",
};

/* Seen by all processes. */
static struct {
	atomic_int must_stop;
	atomic_uint reached;		/* by the victim: BIT(stage) */
} *common;

static char address[128];
static struct model *shared_model;

static struct memclient *open_client(void)
{
	struct memclient *mc = NULL;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	err = memclient_open(address, NULL, &mc);

	if (err == -EPERM) {
		printf("SKIP: %s\n", memclient_error(NULL));
		_exit(77);
	}
	if (err != 0) {
		fprintf(stderr, "open: %s\n", memclient_error(NULL));
		_exit(1);
	}
	return mc;
}

static char *attach(struct memclient *mc, uint32_t mode)
{
	struct memclient_map_options map = {
		.size = sizeof(map), .fault_mode = mode,
	};
	void *base;

	if (memclient_attach(mc, SHARED_NAME, &map, &base, NULL) != 0) {
		fprintf(stderr, "attach: %s\n", memclient_error(mc));
		_exit(1);
	}
	return base;
}

/* ---- the one who must not notice */

static void bystander(void)
{
	struct model *own = model_create(UNITS * 4, 5);
	struct memclient *mc = open_client();
	uint64_t rng = 99;
	char *shared;
	void *base;

	if (memclient_map(mc, (size_t)UNITS * 4 * MODEL_UNIT_BYTES, NULL,
			  &base) != 0)
		_exit(1);
	shared = attach(mc, MEMCLIENT_FAULT_THREAD);
	while (!atomic_load(&common->must_stop)) {
		uint32_t unit = (uint32_t)(model_random(&rng) % (UNITS * 4));

		if (model_random(&rng) % 2 == 0)
			model_write(own, base, unit);
		else if (!model_verify(own, base, unit, true, &rng))
			_exit(1);
		unit = (uint32_t)(model_random(&rng) % SHARED_UNITS);
		if (model_random(&rng) % 4 == 0)
			model_write(shared_model, shared, unit);
		else if (!model_verify(shared_model, shared, unit, true, &rng))
			_exit(1);
	}
	memclient_close(mc);
	_exit(0);
}

/* ---- the ones who are killed: they never write what others verify */

struct victim {
	struct memclient *mc;
	char *private, *shared;
	uint64_t rng;
};

static void reach(enum stage stage)
{
	atomic_fetch_or(&common->reached, BIT(stage));
}

/* Two faults, if what it comes upon is not there. */
static void touch(const struct victim *v, uint64_t *rng, size_t at)
{
	uint64_t *word = (uint64_t *)(v->private + at) + at / 4096 % 512;
	volatile char sink;

	/* Another thread may write the same there. */
	__atomic_store_n(word, at, __ATOMIC_RELAXED);
	sink = v->shared[model_random(rng) % SHARED_UNITS * MODEL_UNIT_BYTES];
	(void)sink;
}

static void *scribble(void *arg)
{
	struct victim *v = arg;
	uint64_t rng = v->rng ^ (uint64_t)(uintptr_t)&rng;

	touch(v, &rng, 0);
	reach(FAULTED);
	for (;;) {
		size_t at = model_random(&rng) % UNITS * MODEL_UNIT_BYTES;

		touch(v, &rng, at);
		if (model_random(&rng) % 256 != 0)
			continue;
		(void)memclient_advise(v->mc, v->private + at, 4096,
				       MEMCLIENT_ADVICE_PAGEOUT);
		if (memclient_pin(v->mc, v->shared, 8 * 4096) == 0)
			reach(PINNED);
	}
	return NULL;
}

static void victim(uint64_t seed, uint32_t mode)
{
	struct memclient_map_options map = {
		.size = sizeof(map), .fault_mode = mode,
	};
	struct victim v = { .rng = seed };
	pthread_t thread;
	void *base;

	reach(STARTED);
	v.mc = open_client();
	reach(CONNECTED);
	if (memclient_map(v.mc, (size_t)UNITS * MODEL_UNIT_BYTES, &map,
			  &base) != 0) {
		fprintf(stderr, "map: %s\n", memclient_error(v.mc));
		_exit(1);
	}
	reach(MAPPED);
	v.private = base;
	v.shared = attach(v.mc, (uint32_t)(seed % MODES));
	reach(ATTACHED);
	for (unsigned i = 1; i < THREADS; i++)
		(void)pthread_create(&thread, NULL, scribble, &v);
	scribble(&v);
	_exit(0);
}

/* How many had come so far when they were killed, of each mode. */
static unsigned came_to[MODES][STAGES];

static void count_victim(uint32_t mode)
{
	unsigned reached = atomic_load(&common->reached);

	for (unsigned i = 0; i < STAGES; i++)
		came_to[mode][i] += (reached & BIT(i)) != 0;
}

/* Returns 0, or -1 when there is a stage that none has come to. */
static int check_victims(void)
{
	int failed = 0;

	for (unsigned i = 0; i < STAGES; i++) {
		printf("%-9s %4u inline, %4u threaded\n", stage_names[i],
		       came_to[MEMCLIENT_FAULT_INLINE][i],
		       came_to[MEMCLIENT_FAULT_THREAD][i]);
		for (unsigned mode = 0; mode < MODES; mode++)
			if (came_to[mode][i] == 0)
				failed = -1;
	}
	if (failed != 0)
		fprintf(stderr, "no victim has come that far\n");
	return failed;
}

/* Returns 0, or -1 when it ends by itself or does not get there. */
static int await_stage(pid_t pid, enum stage stage)
{
	const uint64_t end_ns = clock_now_ns() +
				UINT64_C(1000000000) * PATIENCE_S;

	while ((atomic_load(&common->reached) & BIT(stage)) == 0) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)pid, &info,
			   WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid != 0 || clock_now_ns() > end_ns) {
			fprintf(stderr, "a victim was never seen to have %s\n",
				stage_names[stage]);
			return -1;
		}
		usleep(20);
	}
	return 0;
}

/* Kill one that has come to a stage, at once or a while later. */
static int kill_one(unsigned number, uint64_t *rng)
{
	const enum stage stage = number % STAGES;
	const uint32_t mode = number / STAGES % MODES;
	uint64_t seed = model_random(rng);
	int status, failed;
	pid_t pid;

	atomic_store(&common->reached, 0);
	pid = fork();
	if (pid == 0)
		victim(seed, mode);
	if (pid < 0)
		return -1;
	failed = await_stage(pid, stage);
	if (model_random(rng) % 2 == 0)
		usleep((useconds_t)(model_random(rng) % 8000));
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFEXITED(status)) {
		fprintf(stderr, "a victim ended by itself: %d\n",
			WEXITSTATUS(status));
		return -1;
	}
	count_victim(mode);
	return failed;
}

static pid_t start(void (*role)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		role();
	return pid;
}

static void make_shared(void)
{
	struct memclient *mc = open_client();

	if (memclient_segment_create(mc, SHARED_NAME, (size_t)SHARED_UNITS *
				     MODEL_UNIT_BYTES, NULL) != 0)
		_exit(1);
	memclient_close(mc);
	_exit(0);
}

static void unlink_shared(void)
{
	struct memclient *mc = open_client();

	_exit(memclient_segment_unlink(mc, SHARED_NAME) != 0);
}

static int await(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		exit(77);
	return status == 0 ? 0 : -1;
}

/* The segment that they pinned is still there. */
static int await_unpinned(const struct testmemd *tm)
{
	uint64_t pinned = 0;

	for (int i = 0; i < PATIENCE_S * 100; i++) {
		if (testadmin_counter(tm, "pinned_frames", &pinned) != 0)
			return -1;
		if (pinned == 0)
			return 0;
		usleep(10000);
	}
	fprintf(stderr, "frames still pinned: %ju\n", (uintmax_t)pinned);
	return -1;
}

static int run(struct testmemd *tm, unsigned kills, uint64_t seed,
	       bool is_mailbox)
{
	uint64_t rng = seed;
	int files, failed = 0;
	pid_t other;

	if (await(start(make_shared)) != 0)
		return -1;
	files = testadmin_open_files(tm) + PIPES_MOST;
	other = start(bystander);
	for (unsigned i = 0; i < kills && failed == 0; i++)
		failed = kill_one(i, &rng);
	atomic_store(&common->must_stop, 1);
	if (await(other) != 0) {
		fprintf(stderr, "the client beside them was harmed\n");
		failed = -1;
	}
	if (failed != 0 || check_victims() != 0 || await_unpinned(tm) != 0)
		return -1;
	if (await(start(unlink_shared)) != 0 ||
	    testadmin_await_empty(tm) != 0 ||
	    testadmin_check_carrier(tm, is_mailbox) != 0)
		return -1;
	/* The shared segment, there at the first count, is gone too; but memd
	 * may not have noticed yet that whoever asked last has left. */
	for (int i = 0; i < 6000 && testadmin_open_files(tm) >= files; i++)
		usleep(10000);
	if (testadmin_open_files(tm) >= files) {
		fprintf(stderr, "descriptors: %d before, %d after\n", files,
			testadmin_open_files(tm));
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "kills", 1, NULL, 'k' }, { "seed", 1, NULL, 's' },
		{ "mailbox", 1, NULL, 'm' },
		{ "replacement", 1, NULL, 'r' }, { 0 },
	};
	const char *flags[] = {
		"--pool-size", "8M", "--swap-size", "48M", "--log-level",
		"warning", "--mailbox", "yes", "--replacement", "lirs", NULL,
	};
	const char **mailbox = &flags[7], **replacement = &flags[9];
	unsigned kills = 1000;
	struct testmemd tm;
	uint64_t seed = 1;
	int c, failed;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c == 'k')
			kills = (unsigned)atoi(optarg);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 'm')
			*mailbox = optarg;
		else if (c == 'r')
			*replacement = optarg;
		else
			return 2;
	seed += tier_seed() - 1;
	shared_model = model_create(SHARED_UNITS, 3);
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (testmemd_start(&tm, flags) != 0)
		return 1;
	snprintf(address, sizeof(address), "unix:%s", tm.socket);
	failed = run(&tm, kills, seed, strcmp(*mailbox, "no") != 0);
	if (testmemd_stop(&tm) != 0)
		failed = -1;
	printf("%u clients killed, seed %ju: %s\n", kills, (uintmax_t)seed,
	       failed == 0 ? "ok" : "FAILED");
	return failed != 0;
}
