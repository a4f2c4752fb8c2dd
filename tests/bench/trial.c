/* SPDX-License-Identifier: MIT */
/* See trial.h.  The upper half runs in the process that leads the crew, the
 * lower in its parent. */
#include "tests/bench/trial.h"

#include "tests/bench/child.h"
#include "tests/bench/crew.h"
#include "tests/bench/member.h"
#include "tests/bench/memd_status.h"
#include "tests/bench/meter.h"
#include "tests/bench/summary.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EMPTY_TRIES = 1000, EMPTY_NS = 10 * 1000 * 1000 };

struct leader_task {
	const struct stage *st;
	const struct trial *t;
};

static uint8_t *writes_of(const struct stage *st)
{
	return (uint8_t *)st->notes->samples + st->samples_bytes;
}

static int complain(const struct trial *t, const char *what, const char *why)
{
	char name[JOB_NAME_BYTES];

	job_name(t->job, name);
	fprintf(stderr, "paging: %s, %s: %s: %s\n", contestant_names[t->who],
		name, what, why);
	return 1;
}

/* ---- leading the crew */

static int read_status(const struct testmemd *memd,
		       struct memd_status *ret_status)
{
	int fd = testmemd_connect(memd);

	return fd < 0 ? -ECONNREFUSED : memd_status_read(fd, ret_status);
}

/* All members have come to the step. */
static int note_step(const struct leader_task *task, enum member_step step)
{
	struct trial_notes *n = task->st->notes;
	bool is_memd = contestant_is_memd(task->t->who);
	int err = meter_read(is_memd ? task->st->memd->pid : 0,
			     &n->meter[step]);

	if (err == 0 && is_memd && step == MEMBER_SET)
		err = read_status(task->st->memd, &n->before);
	if (err == 0 && is_memd && step == MEMBER_DONE)
		err = read_status(task->st->memd, &n->after);
	return err;
}

/* Returns an exit status. */
static int lead(const struct leader_task *task, struct crew *crew)
{
	for (enum member_step step = 0; step < MEMBER_STEPS; step++) {
		int err = crew_await(crew);

		if (err == 0) {
			err = note_step(task, step);
			if (err != 0)
				complain(task->t, "meters", strerror(-err));
		}
		if (err != 0) {
			crew_kill(crew);
			return 1;
		}
		crew_release(crew);
	}
	return crew_end(crew);
}

static int leader_main(void *arg)
{
	const struct leader_task *task = arg;
	const struct stage *st = task->st;
	struct member_task members = {
		.who = task->t->who,
		.job = task->t->job,
		.options = st->options,
		.memd = st->memd,
		.group = &st->kernel->group,
		.memfd = -1,
		.seed = task->t->repeat_idx,
		.notes = st->notes->member,
		.samples = st->notes->samples,
		.writes = writes_of(st),
	};
	size_t bytes = job_page_count(task->t->job, st->options) *
		       WORKLOAD_PAGE_BYTES;
	struct crew crew;
	int err;

	snprintf(members.segment, sizeof(members.segment), "bench.%d",
		 (int)getpid());
	if (!contestant_is_memd(task->t->who)) {
		members.memfd = memfd_create("bench", MFD_CLOEXEC);
		if (members.memfd < 0 ||
		    ftruncate(members.memfd, (off_t)bytes) != 0)
			return complain(task->t, "memfd", strerror(errno));
	}
	err = crew_start(&crew, member_count(task->t->job), member_main,
			 &members);
	if (err != 0)
		return complain(task->t, "no processes", strerror(-err));
	return lead(task, &crew);
}

/* ---- in the parent */

int stage_init(struct stage *st, const struct options *options,
	       const struct job *jobs, size_t job_count)
{
	size_t samples = 0, writes = 0;

	for (size_t i = 0; i < job_count; i++) {
		const struct job *job = &jobs[i];

		samples = MAX(samples, job_total_accesses(job, options));
		writes = MAX(writes, job_page_count(job, options) *
					     job->thread_count *
					     job->process_count);
	}
	*st = (struct stage){ .options = options };
	st->samples_bytes = samples * sizeof(uint32_t);
	st->notes_bytes = sizeof(struct trial_notes) + st->samples_bytes +
			  writes;
	st->notes = mmap(NULL, st->notes_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (st->notes != MAP_FAILED)
		return 0;
	st->notes = NULL;
	return -ENOMEM;
}

void stage_fini(struct stage *st)
{
	if (st->notes != NULL)
		munmap(st->notes, st->notes_bytes);
	st->notes = NULL;
}

int trial_await_empty(const struct testmemd *memd)
{
	const struct timespec pause = { .tv_nsec = EMPTY_NS };
	struct memd_status status = { 0 };

	for (unsigned i = 0; i < EMPTY_TRIES && !child_stop_signal(); i++) {
		int err = read_status(memd, &status);

		if (err != 0) {
			fprintf(stderr, "paging: memd's status: %s\n",
				strerror(-err));
			return -EIO;
		}
		if (status.is_empty)
			return 0;
		nanosleep(&pause, NULL);
	}
	if (child_stop_signal())
		return -EINTR;
	fprintf(stderr, "paging: memd keeps pages of a client that has left\n");
	return -EIO;
}

static int run_processes(const struct stage *st, const struct trial *t)
{
	struct leader_task task = { .st = st, .t = t };
	int status;

	/* This also makes the memory ours: nobody's cgroup pays for it. */
	memset(st->notes, 0, st->notes_bytes);
	status = child_run(leader_main, &task);
	if (status == -EINTR)
		return -EINTR;
	if (status >= 128)
		complain(t, "a process was killed", strsignal(status - 128));
	else if (status < 0)
		complain(t, "no process", strerror(-status));
	return status != 0 ? -EIO : 0;
}

static int run_on_kernel(const struct stage *st, const struct trial *t)
{
	int err = kernel_swap_begin(st->kernel, t->who - KERNEL_CLUSTER_0 +
							SWAP_FILE_CLUSTER_0);
	int off_err;

	if (err != 0) {
		complain(t, "swapon", strerror(-err));
		return -EIO;
	}
	err = run_processes(st, t);
	/* After a signal there may be pages in it yet: kernel_swap_destroy()
	 * waits for them. */
	if (err == -EINTR)
		return err;
	off_err = kernel_swap_end(st->kernel);
	if (off_err != 0)
		complain(t, "swapoff", strerror(-off_err));
	return err == 0 && off_err != 0 ? -EIO : err;
}

int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result)
{
	bool is_memd = contestant_is_memd(t->who);
	int err = is_memd ? run_processes(st, t) : run_on_kernel(st, t);

	if (err == 0)
		summarise(st->notes, t->job, st->options, is_memd, ret_result);
	if (err == 0 && is_memd)
		err = trial_await_empty(st->memd);
	return err;
}
