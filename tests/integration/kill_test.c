/* SPDX-License-Identifier: MIT */
/* Proves: a client killed with SIGKILL at any moment (connecting, mapping,
 * faulting in either mode, pinning, sharing) leaves nothing behind: frames,
 * slots and descriptors are back, and a client beside it reads its own bytes
 * all the while.
 *
 *   kill_test [--kills N] [--seed N] [--mailbox yes|no] */
#include "client/include/memclient.h"
#include "tests/integration/model.h"
#include "tests/integration/testadmin.h"
#include "tests/integration/testmemd.h"

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

enum { UNITS = 1024, SHARED_UNITS = 512, THREADS = 2 };
#define SHARED_NAME "kill-shared"

static char address[128];
static struct model *shared_model;
static atomic_int *must_stop;

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
	while (!atomic_load(must_stop)) {
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

static void *scribble(void *arg)
{
	struct victim *v = arg;
	uint64_t rng = v->rng ^ (uint64_t)(uintptr_t)&rng;
	volatile char sink;

	for (;;) {
		size_t at = model_random(&rng) % UNITS * MODEL_UNIT_BYTES;

		((volatile uint64_t *)(v->private + at))[at / 4096 % 512] = at;
		sink = v->shared[model_random(&rng) % SHARED_UNITS *
				 MODEL_UNIT_BYTES];
		(void)sink;
		if (model_random(&rng) % 256 == 0) {
			(void)memclient_advise(v->mc, v->private + at, 4096,
					       MEMCLIENT_ADVICE_PAGEOUT);
			(void)memclient_pin(v->mc, v->shared, 8 * 4096);
		}
	}
	return NULL;
}

static void victim(uint64_t seed)
{
	struct memclient_map_options map = {
		.size = sizeof(map), .fault_mode = seed % 2,
	};
	struct victim v = { .mc = open_client(), .rng = seed };
	pthread_t thread;
	void *base;

	if (memclient_map(v.mc, (size_t)UNITS * MODEL_UNIT_BYTES, &map,
			  &base) != 0)
		_exit(1);
	v.private = base;
	v.shared = attach(v.mc, (uint32_t)(seed / 2 % 2));
	for (unsigned i = 1; i < THREADS; i++)
		(void)pthread_create(&thread, NULL, scribble, &v);
	scribble(&v);
	_exit(0);
}

static int kill_one(uint64_t *rng)
{
	uint64_t seed = model_random(rng);
	useconds_t life_us = (useconds_t)(model_random(rng) % 12000);
	int status;
	pid_t pid = fork();

	if (pid == 0)
		victim(seed);
	if (pid < 0)
		return -1;
	usleep(life_us);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFEXITED(status)) {
		fprintf(stderr, "a victim ended by itself: %d\n",
			WEXITSTATUS(status));
		return -1;
	}
	return 0;
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

static int run(struct testmemd *tm, unsigned kills, uint64_t seed,
	       bool is_mailbox)
{
	uint64_t rng = seed;
	int files, failed = 0;
	pid_t other;

	if (await(start(make_shared)) != 0)
		return -1;
	files = testadmin_open_files(tm);
	other = start(bystander);
	for (unsigned i = 0; i < kills && failed == 0; i++)
		failed = kill_one(&rng);
	atomic_store(must_stop, 1);
	if (await(other) != 0) {
		fprintf(stderr, "the client beside them was harmed\n");
		failed = -1;
	}
	if (failed != 0)
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
		{ "mailbox", 1, NULL, 'm' }, { 0 },
	};
	const char *flags[] = {
		"--pool-size", "8M", "--swap-size", "128M", "--log-level",
		"warning", "--mailbox", "yes", NULL,
	};
	const char **mailbox = &flags[7];
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
		else
			return 2;
	shared_model = model_create(SHARED_UNITS, 3);
	must_stop = mmap(NULL, sizeof(*must_stop), PROT_READ | PROT_WRITE,
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
