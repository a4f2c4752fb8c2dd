/* SPDX-License-Identifier: MIT */
/* See contest.h. */
#include "tests/bench/contest.h"

#include "tests/bench/child.h"
#include "tests/bench/folder.h"
#include "tests/bench/kernel_swap.h"
#include "tests/bench/memd_status.h"
#include "tests/bench/trial.h"
#include "tests/integration/testmemd.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	FLOOR_PAGES_MAX = 1 << 20,
	DISK_BYTES_MAX = 512 << 20,
	DISK_READS_MAX = 16384,
};

/* All that has to be taken away again.  Global, as testmemd_start() may end
 * the program by itself. */
static struct {
	char folder[FOLDER_PATH_BYTES];
	struct testmemd memd;
	struct kernel_swap kernel;
	struct stage stage;
	struct disk disk;
} made = { .memd = { .pidfd = -1, .notify_fd = -1 }, .disk = { .fd = -1 } };

int contest_clean_up(void)
{
	int result = 0;

	child_block_signals();
	stage_fini(&made.stage);
	disk_close(&made.disk);
	if (made.memd.pid != 0 && testmemd_stop(&made.memd) != 0)
		result = -1;
	if (kernel_swap_destroy(&made.kernel) != 0)
		result = -1;
	if (folder_remove(made.folder) != 0)
		result = -1;
	return result;
}

/* ---- preparing */

/* Room for all memory twice, so that nobody is short of free places. */
static uint64_t swap_bytes_for(const struct options *o, const struct report *rp)
{
	struct job jobs[JOBS_MAX];
	uint64_t bytes;

	for (unsigned i = 0; i < rp->row_count; i++)
		jobs[i] = rp->rows[i].job;
	bytes = plan_memory_bytes(jobs, rp->row_count, o);
	return 2 * MAX(bytes, (uint64_t)o->limit_mib << 20);
}

static int start_memd(const struct options *o, struct report *rp)
{
	char pool[64], swap[64], file[FOLDER_PATH_BYTES + 32];
	const char *const flags[] = { pool, swap, file, "--log-level=info",
				      NULL };
	struct memd_status status;
	int fd, err;

	snprintf(pool, sizeof(pool), "--pool-size=%uM", o->limit_mib);
	snprintf(swap, sizeof(swap), "--swap-size=%lluM",
		 (unsigned long long)(swap_bytes_for(o, rp) >> 20));
	snprintf(file, sizeof(file), "--swap-file=%s/memd.swap", made.folder);
	if (testmemd_start(&made.memd, flags) != 0)
		return -1;
	/* We do not listen to its service manager's messages, and a full
	 * socket would make it wait for us. */
	close(made.memd.notify_fd);
	made.memd.notify_fd = -1;
	fd = testmemd_connect(&made.memd);
	err = fd < 0 ? -errno : memd_status_read(fd, &status);
	if (err != 0) {
		fprintf(stderr, "paging: memd's status: %s\n", strerror(-err));
		return -1;
	}
	snprintf(rp->store, sizeof(rp->store), "%s", status.store);
	return 0;
}

/* A kernel's swap that cannot be had is taken from the list. */
static void prepare_kernel(struct options *o, struct report *rp)
{
	bool *wanted = &o->has_contestant[KERNEL_CLUSTER_0];

	if (rp->row_count == 0 ||
	    !(wanted[SWAP_FILE_CLUSTER_0] || wanted[SWAP_FILE_CLUSTER_3] ||
	      wanted[SWAP_ZRAM]))
		return;
	kernel_swap_create(&made.kernel, made.folder,
			   (uint64_t)o->limit_mib << 20, swap_bytes_for(o, rp),
			   wanted);
	for (unsigned v = 0; v < SWAP_VARIANTS; v++) {
		enum contestant who = KERNEL_CLUSTER_0 + v;

		if (!wanted[v] || made.kernel.reason[v][0] == '\0')
			continue;
		wanted[v] = false;
		memcpy(rp->left_out[who], made.kernel.reason[v],
		       sizeof(rp->left_out[who]));
		fprintf(stderr, "paging: %s is left out: %s\n",
			contestant_titles[who], rp->left_out[who]);
	}
}

static void prepare_floors(struct options *o, struct report *rp)
{
	int err = floor_probe();

	if (err == 0)
		return;
	o->has_floors = false;
	snprintf(rp->floors_left_out, sizeof(rp->floors_left_out),
		 "no userfaultfd: %s", strerror(-err));
	fprintf(stderr, "paging: the floors are left out: %s\n",
		rp->floors_left_out);
}

static void leave_out_disk(struct options *o, struct report *rp)
{
	o->has_disk = false;
	fprintf(stderr, "paging: the raw disk is left out: %s\n",
		rp->disk_left_out);
}

static int prepare_disk(struct options *o, struct report *rp)
{
	const struct disk_kind *kind = &disk_kinds[0];
	uint64_t bytes = MIN((uint64_t)o->limit_mib << 21,
			     (uint64_t)DISK_BYTES_MAX);
	struct disk_result unused;
	int err = disk_open(&made.disk, made.folder, bytes, rp->disk_left_out,
			    sizeof(rp->disk_left_out));

	if (err == 0) {
		err = disk_run(&made.disk, kind, 1, &unused);
		if (err != 0)
			snprintf(rp->disk_left_out, sizeof(rp->disk_left_out),
				 "reading through io_uring: %s",
				 strerror(-err));
	}
	if (err == -EINTR)
		return -1;
	if (err != 0)
		leave_out_disk(o, rp);
	return 0;
}

int contest_prepare(struct options *o, struct report *rp)
{
	bool needs_memd = (rp->row_count > 0 || o->has_idle) &&
			  (o->has_contestant[MEMD_INLINE] ||
			   o->has_contestant[MEMD_THREAD]);
	struct job jobs[JOBS_MAX];

	if (folder_make(o->folder, made.folder) != 0)
		return -1;
	machine_describe(made.folder, &rp->machine);
	snprintf(rp->store, sizeof(rp->store), "none");
	if (needs_memd && start_memd(o, rp) != 0)
		return -1;
	for (unsigned i = 0; i < rp->row_count; i++)
		jobs[i] = rp->rows[i].job;
	if (stage_init(&made.stage, o, jobs, rp->row_count) != 0) {
		fprintf(stderr, "paging: no memory for the results\n");
		return -1;
	}
	made.stage.memd = &made.memd;
	made.stage.kernel = &made.kernel;
	prepare_kernel(o, rp);
	if (o->has_floors)
		prepare_floors(o, rp);
	return o->has_disk ? prepare_disk(o, rp) : 0;
}

/* ---- running */

/* Where nothing is swapped one variant of the kernel stands for all. */
static bool takes_part(const struct options *o, const struct job *job,
		       enum contestant who)
{
	if (!o->has_contestant[who])
		return false;
	if (contestant_is_memd(who) || job_is_paging(job))
		return true;
	return who == KERNEL_CLUSTER_0 ||
	       (who == KERNEL_CLUSTER_3 &&
		!o->has_contestant[KERNEL_CLUSTER_0]);
}

static int run_one(struct row *row, enum contestant who, unsigned repeat_idx)
{
	const struct trial t = {
		.who = who,
		.job = &row->job,
		.repeat_idx = repeat_idx,
	};
	struct trial_result *r = &row->run[who][repeat_idx];
	int err = trial_run(&made.stage, &t, r);

	if (err != 0)
		return err;
	row->run_count[who]++;
	fprintf(stderr, " %s %.1f", contestant_names[who], r->mean_ns / 1000);
	return 0;
}

/* Each contestant begins as often as the others. */
static int run_row(const struct options *o, struct row *row, unsigned row_idx,
		   unsigned repeat_idx)
{
	char name[JOB_NAME_BYTES];
	int err = 0;

	job_name(&row->job, name);
	fprintf(stderr, "run %u of %u: %s: us", repeat_idx + 1, o->repeat,
		name);
	for (unsigned c = 0; err == 0 && c < CONTESTANTS; c++) {
		enum contestant who = (c + repeat_idx + row_idx) % CONTESTANTS;

		if (takes_part(o, &row->job, who))
			err = run_one(row, who, repeat_idx);
	}
	fprintf(stderr, "\n");
	return err;
}

static int run_floors(const struct options *o, struct report *rp)
{
	size_t pages = MIN((size_t)o->limit_mib * 128,
			   (size_t)FLOOR_PAGES_MAX);

	fprintf(stderr, "bare faults: us");
	for (size_t i = 0; i < FLOOR_KINDS; i++) {
		struct floor_row *row = &rp->floors[i];
		struct floor_result *r = &row->run[row->run_count];
		int err = floor_run(&floor_kinds[i], pages, r);

		if (err != 0)
			return err;
		row->run_count++;
		fprintf(stderr, " %.1f", r->mean_ns / 1000);
	}
	fprintf(stderr, "\n");
	return 0;
}

static int run_disk_kind(size_t idx, size_t reads, struct report *rp)
{
	struct disk_row *row = &rp->disk[idx];
	struct disk_result *r = &row->run[row->run_count];
	int err = disk_run(&made.disk, &disk_kinds[idx], reads, r);
	char name[DISK_KIND_NAME_BYTES];

	if (err == 0) {
		row->run_count++;
		fprintf(stderr, " %.1f", r->ns_per_page / 1000);
		return 0;
	}
	if (err == -EINTR)
		return err;
	disk_kind_name(&disk_kinds[idx], name);
	fprintf(stderr, "\npaging: raw disk, %s: %s\n", name, strerror(-err));
	/* RLIMIT_MEMLOCK: this many buffers cannot be registered. */
	return err == -ENOMEM ? 0 : -EIO;
}

static int run_disk(const struct options *o, struct report *rp)
{
	size_t reads = MIN((size_t)o->access_count, (size_t)DISK_READS_MAX);
	int err = 0;

	fprintf(stderr, "bare disk: us per 4 KiB");
	for (size_t i = 0; err == 0 && i < DISK_KINDS; i++)
		err = run_disk_kind(i, reads, rp);
	fprintf(stderr, "\n");
	return err;
}

static int run_idle(const struct options *o, struct report *rp)
{
	int err = 0;

	for (enum contestant who = 0; err == 0 && who < CONTESTANTS; who++) {
		if (!contestant_is_memd(who) || !o->has_contestant[who])
			continue;
		fprintf(stderr, "idle, %s: %u s\n", contestant_names[who],
			o->idle_s);
		err = idle_run(&made.memd, who, o->idle_s, &rp->idle[who]);
		rp->has_idle[who] = err == 0;
	}
	return err;
}

int contest_run(const struct options *o, struct report *rp)
{
	int err = 0;

	for (unsigned r = 0; r < o->repeat; r++) {
		for (unsigned i = 0; err == 0 && i < rp->row_count; i++)
			err = run_row(o, &rp->rows[i], i, r);
		if (err == 0 && o->has_floors)
			err = run_floors(o, rp);
		if (err == 0 && o->has_disk)
			err = run_disk(o, rp);
	}
	if (err == 0 && o->has_idle)
		err = run_idle(o, rp);
	return err;
}
