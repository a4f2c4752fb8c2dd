/* SPDX-License-Identifier: MIT */
/* See member.h. */
#include "tests/bench/member.h"

#include "tests/bench/crew.h"
#include <errno.h>
#include <memclient.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct member {
	const struct member_task *task;
	const struct trial *trial;
	struct member_notes *notes;
	unsigned idx;
	struct memclient *mc;		/* NULL: the kernel's memory, */
	int memfd;			/* if shared of this file */
	struct workload load;
	struct meter_probes probes;
};

static int complain(const struct member *m, const char *what, const char *why)
{
	return job_complain(m->trial->job, m->trial->who, what, why);
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

/* Note what it has cost so far, and wait for the others. */
static int step(const struct member *m, enum member_step done)
{
	meter_read_self(&m->probes, &m->notes->meter[done]);
	return raise(SIGSTOP);
}

/* ---- memory */

static size_t bytes_of(const struct member *m)
{
	return m->load.page_count * WORKLOAD_PAGE_BYTES;
}

static int map_memd(struct member *m, bool is_shared, void **ret_at)
{
	const struct memclient_map_options options = {
		.size = sizeof(options),
		.fault_mode = m->trial->who == MEMD_INLINE ?
			MEMCLIENT_FAULT_INLINE : MEMCLIENT_FAULT_THREAD,
	};
	int err = memclient_open(m->task->memd_socket, NULL, &m->mc);

	if (err == 0 && !is_shared)
		err = memclient_map(m->mc, bytes_of(m), &options, ret_at);
	else if (err == 0)
		err = memclient_segment_create(m->mc, "bench", bytes_of(m),
					       NULL) != 0 ||
		      memclient_attach(m->mc, "bench", &options, ret_at,
				       NULL) != 0;
	return err == 0 ? 0 : complain(m, "memory", memclient_error(m->mc));
}

/* No huge pages. */
static int map_kernel(const struct member *m, bool is_file, void **ret_at)
{
	int kind = is_file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;

	*ret_at = mmap(NULL, bytes_of(m), PROT_READ | PROT_WRITE,
		       kind | MAP_NORESERVE, is_file ? m->memfd : -1, 0);
	if (*ret_at == MAP_FAILED ||
	    (is_file && ftruncate(m->memfd, (off_t)bytes_of(m)) != 0) ||
	    madvise(*ret_at, bytes_of(m), MADV_NOHUGEPAGE) != 0)
		return complain(m, "memory", strerror(errno));
	return 0;
}

static int get_memory(struct member *m)
{
	enum work_start start = m->trial->job->kind.start;
	bool is_shared = start == START_SHARED;
	void *at = NULL;
	int err;

	if (contestant_is_memd(m->trial->who))
		err = map_memd(m, is_shared, &at);
	else
		/* What is to leave the page tables and stay in memory is a
		 * file's. */
		err = map_kernel(m, is_shared || start == START_UNMAPPED, &at);
	m->load.words = at;
	return err;
}

/* Make every 8th page zero, as if it had never been touched; or only take it
 * out of the page tables. */
static int make_holes(const struct member *m, bool is_dropped)
{
	const size_t length = WORKLOAD_PAGE_BYTES;
	int err = 0;

	for (size_t at = 0; err == 0 && at < bytes_of(m);
	     at += ORDER_HOLE_EVERY * length) {
		char *page = (char *)m->load.words + at;

		if (is_dropped && m->mc != NULL)
			err = memclient_advise(m->mc, page, length,
					       MEMCLIENT_ADVICE_DONTNEED);
		else if (madvise(page, length, MADV_DONTNEED) != 0)
			err = -errno;
	}
	return err != 0 ? complain(m, "single pages", strerror(-err)) : 0;
}

/* ---- the steps */

/* A crew_body, for START_SHARED. */
static int fill_for_others(void *arg, unsigned idx)
{
	struct workload_wrong wrong;
	struct member *m = arg;
	bool is_ok = get_memory(m) == 0 &&
		     workload_fill(&m->load, &wrong) == 0;

	(void)idx;
	memclient_close(m->mc);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int set_up(struct member *m)
{
	enum work_start start = m->trial->job->kind.start;
	struct workload_wrong wrong;
	struct crew filler;

	if (start == START_SHARED &&
	    (crew_start(&filler, 1, fill_for_others, m) != 0 ||
	     crew_end(&filler, false) != 0))
		return complain(m, "the other process", "failed");
	if (get_memory(m) != 0)
		return -1;
	if (start != START_EMPTY && start != START_SHARED &&
	    workload_fill(&m->load, &wrong) != 0)
		return complain_wrong(m, &wrong);
	if (start == START_DROPPED || start == START_UNMAPPED)
		return make_holes(m, start == START_DROPPED);
	return 0;
}

static int work(struct member *m)
{
	struct workload_outcome *out = &m->notes->outcome;
	int err = workload_run(&m->load, out);

	if (err == -EILSEQ)
		return complain_wrong(m, &out->wrong);
	return err != 0 ? complain(m, "failed", strerror(-err)) : 0;
}

/* What was only written is read now, at the latest. */
static int inspect(const struct member *m)
{
	enum work_access access = m->trial->job->kind.access;
	bool is_due = m->task->options->is_smoke || access == ACCESS_TOUCH ||
		      access == ACCESS_PUT || access == ACCESS_SORT;
	struct workload_wrong wrong;

	if (is_due && workload_check(&m->load, &wrong) != 0)
		return complain_wrong(m, &wrong);
	return 0;
}

/* Its parts of what all share. */
static void init_load(struct member *m)
{
	const struct member_task *t = m->task;
	const struct job *job = m->trial->job;
	size_t pages = job_page_count(job, t->options);
	size_t accesses = job_accesses(job, t->options);

	m->load = (struct workload){
		.page_count = pages,
		.first_value = (uint64_t)m->idx << 40,
		.kind = &job->kind,
		.thread_count = job->thread_count,
		.access_count = accesses,
		.seed = order_mix(m->trial->round * CREW_MAX + m->idx),
		.samples = t->samples + accesses * m->idx,
		.writes = t->writes + pages * job->thread_count * m->idx,
	};
}

/* A segment's name goes, and it itself with its last user. */
static void leave(struct member *m)
{
	if (m->mc != NULL && m->trial->job->kind.start == START_SHARED)
		(void)memclient_segment_unlink(m->mc, "bench");
	memclient_close(m->mc);
}

int member_main(void *arg, unsigned idx)
{
	struct member m = {
		.task = arg, .idx = idx, .memfd = memfd_create("bench", 0),
	};
	bool is_ok;

	m.trial = m.task->trial;
	m.notes = &m.task->notes[idx];
	init_load(&m);
	if (m.trial->is_counted)
		meter_probe(0, &m.probes);
	is_ok = step(&m, MEMBER_BORN) == 0 &&
		set_up(&m) == 0 && step(&m, MEMBER_SET) == 0 &&
		work(&m) == 0 && step(&m, MEMBER_DONE) == 0 &&
		inspect(&m) == 0;
	leave(&m);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
