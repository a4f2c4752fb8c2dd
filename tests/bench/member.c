/* SPDX-License-Identifier: MIT */
/* See member.h. */
#include "tests/bench/member.h"

#include "common/clock.h"
#include "tests/bench/crew.h"
#include "tests/bench/kernel_swap.h"
#include "tests/bench/memory.h"
#include "tests/bench/meter.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct member {
	const struct member_task *task;
	struct member_notes *notes;
	unsigned idx;
	int step_fd;
	struct memory memory;
	struct workload load;
};

unsigned member_count(const struct job *job)
{
	return job->process_count + (job->kind->start == START_SHARED);
}

/* The one that only fills the shared memory for the others. */
static bool is_filler(const struct member *m)
{
	return m->idx == m->task->job->process_count;
}

static int complain(const struct member *m, const char *what, const char *why)
{
	char name[JOB_NAME_BYTES];

	job_name(m->task->job, name);
	fprintf(stderr, "paging: %s, %s: %s: %s\n",
		contestant_names[m->task->who], name, what, why);
	return -1;
}

static int complain_wrong(const struct member *m,
			  const struct workload_wrong *wrong)
{
	char what[128];

	snprintf(what, sizeof(what), "word %zu is %#llx, not %#llx",
		 wrong->word, (unsigned long long)wrong->got,
		 (unsigned long long)wrong->want);
	return complain(m, "WRONG BYTES", what);
}

/* Note how far the processor time has come, and wait for the others. */
static int step(const struct member *m, enum member_step done)
{
	int err = meter_cpu_ns(0, &m->notes->cpu_ns[done]);

	if (err != 0)
		return complain(m, "processor time", strerror(-err));
	return crew_step(m->step_fd);
}

static int get_memory(struct member *m)
{
	const struct member_task *t = m->task;
	size_t bytes = m->load.page_count * WORKLOAD_PAGE_BYTES;
	uint32_t mode = t->who == MEMD_INLINE ? MEMCLIENT_FAULT_INLINE :
						MEMCLIENT_FAULT_THREAD;
	enum work_start start = t->job->kind->start;
	int err;

	if (contestant_is_memd(t->who)) {
		err = memory_map_memd(&m->memory, t->memd_socket, mode,
				      start == START_SHARED ? t->segment : NULL,
				      bytes);
	} else {
		err = kernel_swap_join(t->options->group);
		if (err != 0)
			return complain(m, "join the cgroup", strerror(-err));
		/* What is to leave the page tables and stay in memory is a
		 * file's. */
		err = memory_map_kernel(&m->memory,
					start == START_SHARED ||
					start == START_UNMAPPED ? t->memfd : -1,
					bytes);
	}
	m->load.words = m->memory.words;
	return err;
}

/* ---- the steps */

static int fill(struct member *m)
{
	enum work_start start = m->task->job->kind->start;
	uint64_t begin = clock_now_ns();

	/* The segment has to be there before the others attach it. */
	if (start == START_SHARED && !is_filler(m))
		return 0;
	if (get_memory(m) != 0)
		return -1;
	if (start == START_EMPTY)
		return 0;
	workload_fill(&m->load);
	m->notes->fill_ns = clock_now_ns() - begin;
	return 0;
}

typedef int hole_maker(const struct memory *memory, size_t offset,
		       size_t bytes);

static int make_holes(const struct member *m, hole_maker *make)
{
	size_t step = (size_t)ORDER_HOLE_EVERY * WORKLOAD_PAGE_BYTES;
	int err = 0;

	for (size_t at = 0; err == 0 && at < m->memory.bytes; at += step)
		err = make(&m->memory, at, WORKLOAD_PAGE_BYTES);
	return err != 0 ? complain(m, "single pages", strerror(-err)) : 0;
}

static int set_up(struct member *m)
{
	enum work_start start = m->task->job->kind->start;
	struct workload_wrong wrong;

	if (start == START_SHARED && !is_filler(m))
		return get_memory(m);
	if (start == START_SWEPT && workload_sweep(&m->load, &wrong) != 0)
		return complain_wrong(m, &wrong);
	if (start == START_DROPPED)
		return make_holes(m, memory_drop);
	if (start == START_UNMAPPED)
		return make_holes(m, memory_forget);
	return 0;
}

static int work(struct member *m)
{
	struct workload_outcome out;
	int err;

	if (is_filler(m))
		return 0;
	err = workload_run(&m->load, &out);
	if (err == -EILSEQ)
		return complain_wrong(m, &out.wrong);
	if (err != 0)
		return complain(m, "failed", strerror(-err));
	m->notes->begin_ns = out.begin_ns;
	m->notes->end_ns = out.end_ns;
	m->notes->fault_count = out.fault_count;
	return 0;
}

static int inspect(const struct member *m)
{
	bool is_touched = m->task->job->kind->access == ACCESS_TOUCH;
	struct workload_wrong wrong;

	/* What was only written is read now, at the latest. */
	if (!is_filler(m) && (is_touched || m->task->options->is_checked) &&
	    workload_check(&m->load, &wrong) != 0)
		return complain_wrong(m, &wrong);
	return 0;
}

/* Its parts of what all share. */
static void init_load(struct member *m)
{
	const struct member_task *t = m->task;
	size_t pages = job_page_count(t->job, t->options);
	size_t accesses = job_access_count(t->job, t->options) *
			  t->job->thread_count;
	bool is_shared = t->job->kind->start == START_SHARED;

	m->load = (struct workload){
		.page_count = pages,
		.first_value = is_shared ? 0 : (uint64_t)m->idx << 40,
		.kind = t->job->kind,
		.thread_count = t->job->thread_count,
		.access_count = accesses,
		.seed = order_mix(t->seed * PROCESSES_MAX + m->idx),
		.samples = t->samples + accesses * m->idx,
		.writes = t->writes + pages * t->job->thread_count * m->idx,
	};
}

/* A segment's name goes, and it itself with its last user. */
static void leave(struct member *m)
{
	if (m->memory.mc == NULL)
		return;
	if (m->task->job->kind->start == START_SHARED && is_filler(m))
		(void)memclient_segment_unlink(m->memory.mc, m->task->segment);
	memclient_close(m->memory.mc);
}

int member_main(void *arg, unsigned idx, int step_fd)
{
	struct member m = { .task = arg, .idx = idx, .step_fd = step_fd };
	bool is_ok;

	m.notes = &m.task->notes[idx];
	init_load(&m);
	is_ok = step(&m, MEMBER_BORN) == 0 &&
		fill(&m) == 0 && step(&m, MEMBER_FILLED) == 0 &&
		set_up(&m) == 0 && step(&m, MEMBER_SET) == 0 &&
		work(&m) == 0 && step(&m, MEMBER_DONE) == 0 &&
		inspect(&m) == 0;
	leave(&m);
	return is_ok ? 0 : 1;
}
