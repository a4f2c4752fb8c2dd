/* SPDX-License-Identifier: MIT */
/* Proves: several processes with several threads each, private and shared
 * segments of all page sizes, both fault modes, random reads and writes over
 * several times the pool, with advice and pins thrown in: every byte is what
 * a model kept outside says; at the end all frames and slots are free and the
 * daemon's own check of its tables is clean.
 *
 *   stress_test [--store uring|sync] [--ops N] [--processes N] [--threads N]
 *               [--pool SIZE] [--seed N] [--thp always] [--mailbox yes|no]
 *               [--replacement lirs|two-hands]
 *               [--address ADDRESS]
 *
 * --ops counts operations a thread; ten times as many at night.  With
 * --address, for "embedded:" and "tcp://" addresses without pool and size, one
 * process has an engine of its own there, and all memory is private.  A failure
 * prints the seed: the one given, moved by MEMD_TEST_SEED. */
#include "client/include/memclient.h"
#include "common/units.h"
#include "tests/integration/model.h"
#include "tests/integration/testadmin.h"
#include "tests/integration/testmemd.h"
#include "tests/tier.h"

#include <errno.h>
#include <fcntl.h>
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

#define THP_SETTING "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static const uint32_t page_sizes[] = { 4096, 16384, 65536, 2097152 };
enum { SIZES = 4, AREAS = SIZES * 2 };	/* a private and a shared of each */

struct area {
	char *base;
	struct model *model;
	uint32_t page_size;
	bool is_shared;
};

static struct {
	const char *store, *pool, *thp, *mailbox, *address, *replacement;
	uint64_t ops, seed;
	unsigned processes, threads;
	uint32_t units_of_area;
} opt = { "auto", "32M", NULL, "yes", NULL, "lirs", 8000, 1, 3, 3, 0 };

static struct model *shared_model[SIZES];
static _Atomic uint64_t *total;		/* accesses, of all processes */
static char address[1024];

static void fail(const char *what, int err, const struct memclient *mc)
{
	fprintf(stderr, "%s: %s (%s); seed %ju\n", what,
		memclient_strerror(err), memclient_error(mc),
		(uintmax_t)opt.seed);
	_exit(1);
}

/* ---- one process */

struct worker {
	struct memclient *mc;
	struct area *area;
	uint64_t rng;
	pthread_t thread;
};

static int drop_page(void *arg, void *at)
{
	return memclient_advise(arg, at, MODEL_UNIT_BYTES,
				MEMCLIENT_ADVICE_DONTNEED);
}

static void must(int err, int allowed, const char *what,
		 const struct memclient *mc)
{
	if (err != 0 && err != allowed)
		fail(what, err, mc);
}

/* Now and then something other than a read or a write. */
static void odd_operation(struct worker *w, struct area *a, uint32_t unit)
{
	char *at = a->base + (size_t)unit * MODEL_UNIT_BYTES;
	size_t length = (1 + model_random(&w->rng) % 64) * MODEL_UNIT_BYTES;
	size_t left = (size_t)(model_unit_count(a->model) - unit) *
		      MODEL_UNIT_BYTES;

	if (length > left)
		length = left;
	switch (model_random(&w->rng) % 6) {
	case 0:		/* -EBUSY: another thread has it pinned */
		if (a->page_size == MODEL_UNIT_BYTES)
			must(model_drop(a->model, a->base, unit, drop_page,
					w->mc), -EBUSY, "DONTNEED", w->mc);
		break;
	case 1:
		must(memclient_advise(w->mc, at, length,
				      MEMCLIENT_ADVICE_PAGEOUT), -EBUSY,
		     "PAGEOUT", w->mc);
		break;
	case 2:
		must(memclient_advise(w->mc, at, length,
				      MEMCLIENT_ADVICE_WILLNEED), 0,
		     "WILLNEED", w->mc);
		break;
	case 3:
		must(memclient_advise(w->mc, at, length,
				      MEMCLIENT_ADVICE_COLD), 0, "COLD",
		     w->mc);
		break;
	case 4: {
		int err = memclient_pin(w->mc, at, length);

		must(err, -ENOMEM, "pin", w->mc);
		if (err != 0)
			break;
		model_write(a->model, a->base, unit);
		must(memclient_unpin(w->mc, at, length), 0, "unpin", w->mc);
		break;
	}
	default:
		must(memclient_touch(w->mc, at, length), 0, "touch", w->mc);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (uint64_t i = 0; i < opt.ops; i++) {
		uint64_t r = model_random(&w->rng);
		/* A miss in a 2 MiB page moves 512 times as much: go there
		 * seldom, and stay a while. */
		bool is_huge = r % 128 == 0;
		unsigned size = is_huge ? SIZES - 1 :
					  (unsigned)(r / 128 % (SIZES - 1));
		struct area *a = &w->area[size + (r >> 20) % 2 * SIZES];
		uint32_t unit = (uint32_t)((r >> 24) %
					   model_unit_count(a->model));
		uint32_t run = is_huge ? 64 : (r >> 44) % 2 == 0 ? 1 :
			       1 + (uint32_t)(r >> 45) % 16;

		if ((r >> 50) % 64 == 0)
			odd_operation(w, a, unit);
		for (; run > 0 && unit < model_unit_count(a->model);
		     run--, unit++) {
			if ((r >> 60) % 5 < 2)
				model_write(a->model, a->base, unit);
			else if (!model_verify(a->model, a->base, unit,
					       (r >> 56) % 8 == 0, &w->rng))
				fail("stress", -EIO, w->mc);
			atomic_fetch_add_explicit(total, 1,
						  memory_order_relaxed);
		}
	}
	return NULL;
}

static void map_areas(struct memclient *mc, struct area *area,
		      unsigned process)
{
	for (unsigned i = 0; i < AREAS; i++) {
		struct area *a = &area[i];
		struct memclient_map_options map = {
			.size = sizeof(map),
			.page_size = page_sizes[i % SIZES],
			.fault_mode = (i + process) % 2 == 0 ?
				MEMCLIENT_FAULT_THREAD : MEMCLIENT_FAULT_INLINE,
		};
		void *base;
		int err;

		a->page_size = page_sizes[i % SIZES];
		a->is_shared = i >= SIZES && opt.address == NULL;
		if (a->is_shared) {
			char name[32];

			snprintf(name, sizeof(name), "stress-%u", i % SIZES);
			map.page_size = 0;
			err = memclient_attach(mc, name, &map, &base, NULL);
			a->model = shared_model[i % SIZES];
		} else {
			a->model = model_create(opt.units_of_area,
						opt.seed + process * 100 + i);
			err = memclient_map(mc, (size_t)opt.units_of_area *
					    MODEL_UNIT_BYTES, &map, &base);
		}
		if (err != 0)
			fail("map", err, mc);
		a->base = base;
	}
}

static void verify_all(struct memclient *mc, struct area *a, uint64_t *rng)
{
	for (uint32_t unit = 0; unit < model_unit_count(a->model); unit++)
		if (!model_verify(a->model, a->base, unit, true, rng))
			fail("at the end", -EIO, mc);
}

/* In a child of the test. */
static struct memclient *open_client(void)
{
	struct memclient_options options = {
		.size = sizeof(options),
		.timeout_ms = 120000,
	};
	struct memclient *mc = NULL;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	err = memclient_open(address, &options, &mc);

	if (err == -EPERM) {
		fprintf(stderr, "SKIP: %s\n", memclient_error(NULL));
		_exit(77);
	}
	if (err != 0)
		fail("open", err, NULL);
	return mc;
}

static void run_process(unsigned process)
{
	struct memclient *mc = open_client();
	struct worker worker[opt.threads];
	struct area area[AREAS];

	map_areas(mc, area, process);
	for (unsigned i = 0; i < opt.threads; i++) {
		worker[i] = (struct worker){ .mc = mc, .area = area,
			.rng = opt.seed * 1000003 + process * 101 + i };
		if (pthread_create(&worker[i].thread, NULL, work,
				   &worker[i]) != 0)
			fail("thread", -errno, mc);
	}
	for (unsigned i = 0; i < opt.threads; i++)
		pthread_join(worker[i].thread, NULL);
	for (unsigned i = 0; i < AREAS; i++)
		if (!area[i].is_shared)
			verify_all(mc, &area[i], &worker[0].rng);
	memclient_close(mc);
	_exit(0);
}

/* ---- all of it */

static void make_shared(struct memclient *mc)
{
	for (unsigned i = 0; i < SIZES; i++) {
		struct memclient_segment_options segment = {
			.size = sizeof(segment),
			.page_size = page_sizes[i],
			.exclusive = 1,
		};
		char name[32];
		int err;

		snprintf(name, sizeof(name), "stress-%u", i);
		err = memclient_segment_create(mc, name,
					       (size_t)opt.units_of_area *
					       MODEL_UNIT_BYTES, &segment);
		if (err != 0)
			fail("segment", err, mc);
	}
}

/* A process that was not there before must see the same bytes, read-only. */
static void verify_shared(struct memclient *mc)
{
	uint64_t rng = opt.seed;

	for (unsigned i = 0; i < SIZES; i++) {
		struct memclient_map_options map = {
			.size = sizeof(map),
			.read_only = 1,
			.fault_mode = i % 2,
		};
		struct area a = { .model = shared_model[i] };
		char name[32];
		void *base;
		int err;

		snprintf(name, sizeof(name), "stress-%u", i);
		err = memclient_attach(mc, name, &map, &base, NULL);
		if (err != 0)
			fail("attach", err, mc);
		a.base = base;
		verify_all(mc, &a, &rng);
		err = memclient_unmap(mc, base);
		if (err == 0)
			err = memclient_segment_unlink(mc, name);
		if (err != 0)
			fail("unlink", err, mc);
	}
}

/* Children that fork: no client may exist in the parent yet that they would
 * inherit, so each role is a process of its own. */
static int run_role(void (*role)(struct memclient *mc))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct memclient *mc = open_client();

		role(mc);
		memclient_close(mc);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int judge(unsigned process, int status)
{
	if (status == 0)
		return 0;
	fprintf(stderr, "process %u: %s %d; seed %ju\n", process,
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		(uintmax_t)opt.seed);
	return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? 77 : 1;
}

/* In a process group of their own, so that whichever ends first is seen
 * first: one that died may hold a lock of the model, and the others would
 * wait for it for ever. */
static int run_processes(void)
{
	const unsigned count = opt.processes;
	pid_t pid[count];
	unsigned left = 0;
	int failed = 0;

	memset(pid, 0, sizeof(pid));
	for (unsigned i = 0; i < count; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			run_process(i);
		if (pid[i] < 0) {
			perror("fork");
			exit(1);	/* which ends the others */
		}
		(void)setpgid(pid[i], pid[0]);
		left++;
	}
	while (left > 0 && failed == 0) {
		int status = 0;
		pid_t ended = waitpid(-pid[0], &status, 0);

		for (unsigned i = 0; i < count; i++)
			if (pid[i] == ended)
				failed = judge(i, status);
		left--;
	}
	for (; left > 0; left--)
		if (kill(-pid[0], SIGKILL) == 0)
			(void)waitpid(-pid[0], NULL, 0);
	return failed;
}

static char old_thp[64];
static int guard_fd = -1;

static void write_old_thp(void)
{
	FILE *f = fopen(THP_SETTING, "w");

	if (f != NULL) {
		fputs(old_thp, f);
		fclose(f);
	}
}

static void restore_thp(void)
{
	write_old_thp();
	/* The guard has nothing to do any more, if it is there. */
	signal(SIGPIPE, SIG_IGN);
	if (guard_fd >= 0)
		(void)!write(guard_fd, "", 1);
}

/* Put the setting back even when the test is killed: by a process that waits
 * for its end. */
static void restore_thp_after_kill(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid != 0) {
		close(ends[0]);
		guard_fd = ends[1];
		return;
	}
	setsid();
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		write_old_thp();
	_exit(0);
}

/* Switch huge pages for shared memory to `value` until the test ends. */
static void set_thp(const char *value)
{
	FILE *f = fopen(THP_SETTING, "r+");
	char line[128] = "";
	const char *open, *close;

	if (f == NULL || fgets(line, sizeof(line), f) == NULL ||
	    (open = strchr(line, '[')) == NULL ||
	    (close = strchr(open, ']')) == NULL) {
		fprintf(stderr, "SKIP: may not set %s (be root)\n",
			THP_SETTING);
		exit(77);
	}
	snprintf(old_thp, sizeof(old_thp), "%.*s", (int)(close - open - 1),
		 open + 1);
	atexit(restore_thp);
	restore_thp_after_kill();
	rewind(f);
	fputs(value, f);
	fclose(f);
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "store", 1, NULL, 's' }, { "ops", 1, NULL, 'o' },
		{ "processes", 1, NULL, 'p' }, { "threads", 1, NULL, 't' },
		{ "pool", 1, NULL, 'P' }, { "seed", 1, NULL, 'S' },
		{ "thp", 1, NULL, 'h' }, { "mailbox", 1, NULL, 'm' },
		{ "address", 1, NULL, 'a' },
		{ "replacement", 1, NULL, 'r' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's': opt.store = optarg; break;
		case 'o': opt.ops = strtoull(optarg, NULL, 10); break;
		case 'p': opt.processes = (unsigned)atoi(optarg); break;
		case 't': opt.threads = (unsigned)atoi(optarg); break;
		case 'P': opt.pool = optarg; break;
		case 'S': opt.seed = strtoull(optarg, NULL, 10); break;
		case 'h': opt.thp = optarg; break;
		case 'm': opt.mailbox = optarg; break;
		case 'a': opt.address = optarg; break;
		case 'r': opt.replacement = optarg; break;
		default: exit(2);
		}
	if (tier_is_night())
		opt.ops *= 10;
	opt.seed += tier_seed() - 1;
}

/* With a daemon, which is to be empty afterwards. */
static int run_with_daemon(void)
{
	struct testmemd tm;
	const char *flags[] = {
		"--pool-size", opt.pool, "--swap-size", "512M", "--store",
		opt.store, "--mailbox", opt.mailbox, "--replacement",
		opt.replacement, NULL
	};
	int failed;

	if (testmemd_start(&tm, flags) != 0)
		return 1;
	snprintf(address, sizeof(address), "unix:%s", tm.socket);
	failed = run_role(make_shared);
	if (failed == 0)
		failed = run_processes();
	if (failed == 0)
		failed = run_role(verify_shared);
	if (failed == 0)
		failed = testadmin_await_empty(&tm) != 0 ||
			 testadmin_check_carrier(&tm, strcmp(opt.mailbox,
							     "no") != 0);
	if (testmemd_stop(&tm) != 0 && failed == 0)
		failed = 1;
	return failed;
}

/* The engine checks its tables when it ends. */
static int run_without_daemon(void)
{
	bool is_tcp = strncmp(opt.address, "tcp://", 6) == 0;
	char between[] = { is_tcp ? '&' : ',', '\0' };
	const char *first = !is_tcp ? between :
		strchr(opt.address, '?') != NULL ? between : "?";

	snprintf(address, sizeof(address), "%s%spool_size=%s%sswap_size=512M",
		 opt.address, first, opt.pool, between);
	return run_processes();
}

int main(int argc, char **argv)
{
	uint64_t pool = 0;
	int failed;

	parse(argc, argv);
	if (opt.address != NULL)
		opt.processes = 1;
	if (units_parse_size(opt.pool, &pool) != 0 || opt.processes == 0)
		return 2;
	if (opt.thp != NULL)
		set_thp(opt.thp);
	/* All areas together: six times the pool, in whole 2 MiB pages. */
	opt.units_of_area = (uint32_t)(pool * 6 / MODEL_UNIT_BYTES /
				       (SIZES * (opt.processes + 1)));
	opt.units_of_area = (opt.units_of_area + 511) / 512 * 512;
	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < SIZES; i++)
		shared_model[i] = model_create(opt.units_of_area, i + 7777);
	failed = opt.address != NULL ? run_without_daemon() :
				       run_with_daemon();
	printf("%ju accesses verified, seed %ju: %s\n",
	       (uintmax_t)atomic_load(total), (uintmax_t)opt.seed,
	       failed == 0 ? "ok" : "FAILED");
	return failed;
}
