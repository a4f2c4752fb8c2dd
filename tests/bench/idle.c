/* SPDX-License-Identifier: MIT */
/* See idle.h. */
#include "tests/bench/idle.h"

#include "tests/bench/child.h"
#include "tests/bench/crew.h"
#include "tests/bench/memory.h"
#include "tests/bench/meter.h"
#include "tests/bench/workload.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
	PAGES = 256,
	SETTLE_S = 1,		/* what was begun may end */
};

struct idle_task {
	const struct testmemd *memd;
	enum contestant who;
	unsigned seconds;
	struct idle_result *result;	/* in shared memory */
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "paging: idle: %s: %s\n", what, why);
	return 1;
}

/* The program: works a little, then waits to be let go. */
static int program_main(void *arg, unsigned idx, int step_fd)
{
	const struct idle_task *task = arg;
	struct workload_wrong wrong;
	struct workload w = { .page_count = PAGES, .first_value = idx };
	struct memory m;

	if (memory_map_memd(&m, task->memd->socket,
			    task->who == MEMD_INLINE ? MEMCLIENT_FAULT_INLINE :
						       MEMCLIENT_FAULT_THREAD,
			    PAGES * WORKLOAD_PAGE_BYTES) != 0)
		return complain("no memory", m.error);
	w.words = m.words;
	workload_fill(&w);
	if (workload_sweep(&w, &wrong) != 0)
		return complain("WRONG BYTES", "after filling");
	if (crew_step(step_fd) != 0)
		return 1;
	memory_unmap(&m);
	return 0;
}

static void sleep_s(unsigned seconds)
{
	struct timespec left = { .tv_sec = seconds };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static int read_clocks(pid_t program, pid_t daemon, uint64_t ns[2])
{
	int err = meter_cpu_ns(program, &ns[0]);

	return err != 0 ? err : meter_daemon_cpu_ns(daemon, &ns[1]);
}

static double percent(uint64_t from_ns, uint64_t to_ns, unsigned seconds)
{
	return (double)(to_ns - from_ns) / (seconds * 1e9) * 100;
}

static int watch(const struct idle_task *task, const struct crew *crew)
{
	uint64_t from[2], to[2];
	int err = crew_await(crew);

	if (err != 0)
		return err;
	sleep_s(SETTLE_S);
	err = read_clocks(crew->pid[0], task->memd->pid, from);
	sleep_s(task->seconds);
	if (err == 0)
		err = read_clocks(crew->pid[0], task->memd->pid, to);
	if (err != 0)
		return err;
	task->result->client_percent = percent(from[0], to[0], task->seconds);
	task->result->daemon_percent = percent(from[1], to[1], task->seconds);
	return 0;
}

static int watch_main(void *arg)
{
	struct idle_task *task = arg;
	struct crew crew;
	int err = crew_start(&crew, 1, program_main, task);

	if (err != 0)
		return complain("no process", strerror(-err));
	err = watch(task, &crew);
	if (err != 0) {
		crew_kill(&crew);
		return complain("watching", strerror(-err));
	}
	crew_release(&crew);
	return crew_end(&crew);
}

int idle_run(const struct testmemd *memd, enum contestant who,
	     unsigned seconds, struct idle_result *ret_result)
{
	struct idle_task task = {
		.memd = memd, .who = who, .seconds = seconds,
	};
	int status;

	task.result = mmap(NULL, sizeof(*task.result), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (task.result == MAP_FAILED) {
		complain("results", strerror(errno));
		return -EIO;
	}
	status = child_run(watch_main, &task);
	*ret_result = *task.result;
	munmap(task.result, sizeof(*task.result));
	if (status == 0 || status == -EINTR)
		return status;
	return -EIO;
}
