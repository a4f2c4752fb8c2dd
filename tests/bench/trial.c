/* SPDX-License-Identifier: MIT */
/* See trial.h.  The upper half runs in the child, the lower in the parent. */
#include "tests/bench/trial.h"

#include "common/clock.h"
#include "tests/bench/child.h"
#include "tests/bench/memd_status.h"
#include "tests/bench/meter.h"
#include <errno.h>
#include <memclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define S_PER_NS 1e-9

enum { EMPTY_TRIES = 1000, EMPTY_NS = 10 * 1000 * 1000 };

/* Written by the child, read by the parent.  The parent touches all of it
 * first: it is not to be charged to the child's cgroup. */
struct trial_notes {
	uint64_t fill_ns, wall_ns;
	struct meter before, filled, after;
	struct footprint footprint;
	struct memd_status status;
	uint32_t samples[];	/* access_count; then writes[] */
};

struct child_task {
	const struct stage *st;
	const struct trial *t;
	size_t access_count;
};

static size_t page_count_of(const struct options *o)
{
	return ((size_t)o->memory_mib << 20) / WORKLOAD_PAGE_BYTES;
}

static uint8_t *writes_of(const struct stage *st)
{
	return (uint8_t *)(st->notes->samples + st->options->access_count);
}

/* ---- in the child */

static int complain(const struct trial *t, const char *what, const char *why)
{
	fprintf(stderr, "paging: %s, %s x%u: %s: %s\n",
		contestant_names[t->who], t->kind->name, t->thread_count, what,
		why);
	return 1;
}

static int complain_wrong(const struct trial *t,
			  const struct workload_wrong *wrong)
{
	char what[128];

	snprintf(what, sizeof(what), "word %zu is %#llx, not %#llx",
		 wrong->word, (unsigned long long)wrong->got,
		 (unsigned long long)wrong->want);
	return complain(t, "WRONG BYTES", what);
}

static pid_t daemon_of(const struct child_task *task)
{
	return task->t->who == KERNEL_SWAP ? 0 : task->st->memd->pid;
}

/* Tables and page tables, while the memory is still there. */
static int measure_memory(const struct child_task *task)
{
	struct trial_notes *n = task->st->notes;
	int err = footprint_read(daemon_of(task), &n->footprint);
	int fd;

	if (err != 0 || task->t->who == KERNEL_SWAP)
		return err;
	fd = testmemd_connect(task->st->memd);
	return fd < 0 ? -ECONNREFUSED : memd_status_read(fd, &n->status);
}

static int work(const struct child_task *task, uint64_t *words)
{
	struct trial_notes *n = task->st->notes;
	const struct workload w = {
		.words = words,
		.page_count = page_count_of(task->st->options),
		.kind = task->t->kind,
		.thread_count = task->t->thread_count,
		.access_count = task->access_count,
		.seed = task->t->repeat_idx,
		.samples = n->samples,
		.writes = writes_of(task->st),
	};
	struct workload_wrong wrong;
	uint64_t begin;
	int err = meter_read(daemon_of(task), &n->before);

	begin = clock_now_ns();
	workload_fill(words, w.page_count);
	n->fill_ns = clock_now_ns() - begin;
	if (err == 0)
		err = meter_read(daemon_of(task), &n->filled);
	if (err == 0)
		err = workload_run(&w, &n->wall_ns, &wrong);
	if (err == 0)
		err = meter_read(daemon_of(task), &n->after);
	if (err == 0)
		err = measure_memory(task);
	if (err == 0 && task->st->options->is_checked)
		err = workload_check(&w, &wrong);
	if (err == -EILSEQ)
		return complain_wrong(task->t, &wrong);
	return err == 0 ? 0 : complain(task->t, "failed", strerror(-err));
}

static int on_memd(const struct child_task *task)
{
	const struct memclient_map_options map = {
		.size = sizeof(map),
		.fault_mode = task->t->who == MEMD_INLINE ?
				      MEMCLIENT_FAULT_INLINE :
				      MEMCLIENT_FAULT_THREAD,
	};
	size_t bytes = (size_t)task->st->options->memory_mib << 20;
	struct memclient *mc;
	void *words;
	int result;

	if (memclient_open(task->st->memd->socket, NULL, &mc) != 0)
		return complain(task->t, "memclient_open",
				memclient_error(NULL));
	if (memclient_map(mc, bytes, &map, &words) != 0)
		result = complain(task->t, "memclient_map",
				  memclient_error(mc));
	else
		result = work(task, words);
	memclient_close(mc);
	return result;
}

static int on_kernel_swap(const struct child_task *task)
{
	size_t bytes = (size_t)task->st->options->memory_mib << 20;
	int err = kernel_swap_join(task->st->kernel);
	void *words;

	if (err != 0)
		return complain(task->t, "join the cgroup", strerror(-err));
	words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED ||
	    madvise(words, bytes, MADV_NOHUGEPAGE) != 0)
		return complain(task->t, "map", strerror(errno));
	return work(task, words);
}

static int child_body(void *arg)
{
	const struct child_task *task = arg;

	return task->t->who == KERNEL_SWAP ? on_kernel_swap(task) :
					     on_memd(task);
}

/* ---- in the parent */

int stage_init(struct stage *st, const struct options *options)
{
	size_t writes = page_count_of(options) * WORKLOAD_THREADS_MAX;

	*st = (struct stage){ .options = options };
	st->notes_bytes = sizeof(struct trial_notes) + writes +
			  options->access_count * sizeof(uint32_t);
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

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double cpu_s(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) * S_PER_NS : 0;
}

/* Latencies: sorts the samples. */
static void summarise_samples(struct trial_notes *n, size_t count,
			      struct trial_result *r)
{
	double sum = 0;

	qsort(n->samples, count, sizeof(n->samples[0]), by_value);
	for (size_t i = 0; i < count; i++)
		sum += n->samples[i];
	r->mean_ns = sum / (double)count;
	r->p50_ns = n->samples[count / 2];
	r->p99_ns = n->samples[count * 99 / 100];
	r->p999_ns = n->samples[count * 999 / 1000];
	r->max_ns = n->samples[count - 1];
	r->accesses_per_s = (double)count * 1e9 / (double)n->wall_ns;
}

static void summarise(struct trial_notes *n, size_t page_count,
		      size_t access_count, struct trial_result *r)
{
	const struct meter *from = &n->filled, *to = &n->after;
	double machine = cpu_s(from->machine_cpu_ns, to->machine_cpu_ns);

	summarise_samples(n, access_count, r);
	r->fill_ns_per_page = (double)n->fill_ns / (double)page_count;
	r->fill_cpu_s = cpu_s(n->before.client_cpu_ns, from->client_cpu_ns) +
			cpu_s(n->before.daemon_cpu_ns, from->daemon_cpu_ns);
	r->client_cpu_s = cpu_s(from->client_cpu_ns, to->client_cpu_ns);
	r->daemon_cpu_s = cpu_s(from->daemon_cpu_ns, to->daemon_cpu_ns);
	r->other_cpu_s = MAX(machine - r->client_cpu_s - r->daemon_cpu_s, 0);
	r->read_bytes = (double)(to->read_bytes - from->read_bytes);
	r->written_bytes = (double)(to->written_bytes - from->written_bytes);
	r->metadata_bytes = (double)n->status.metadata_bytes;
	r->daemon_rss_bytes = (double)n->footprint.daemon_rss_bytes;
	r->daemon_table_bytes = (double)n->footprint.daemon_table_bytes;
	r->client_table_bytes = (double)n->footprint.client_table_bytes;
}

/* A client's frames and slots come back soon after it left; the next run is
 * to find them all free. */
static int await_empty_memd(const struct testmemd *memd)
{
	const struct timespec pause = { .tv_nsec = EMPTY_NS };
	struct memd_status status = { 0 };

	for (unsigned i = 0; i < EMPTY_TRIES && !child_stop_signal(); i++) {
		int fd = testmemd_connect(memd);
		int err = fd < 0 ? -errno : memd_status_read(fd, &status);

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

int trial_run(const struct stage *st, const struct trial *t,
	      struct trial_result *ret_result)
{
	unsigned per_thread = st->options->access_count / t->thread_count;
	struct child_task task = {
		.st = st, .t = t,
		.access_count = (size_t)per_thread * t->thread_count,
	};
	int status;

	memset(st->notes, 0, st->notes_bytes);
	status = child_run(child_body, &task);
	if (status == -EINTR)
		return -EINTR;
	if (status >= 128)
		complain(t, "the process was killed",
			 strsignal(status - 128));
	else if (status < 0)
		complain(t, "no process", strerror(-status));
	if (status != 0)
		return -EIO;
	summarise(st->notes, page_count_of(st->options), task.access_count,
		  ret_result);
	return t->who == KERNEL_SWAP ? 0 : await_empty_memd(st->memd);
}
