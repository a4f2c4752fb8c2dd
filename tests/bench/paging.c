/* SPDX-License-Identifier: MIT */
/* Paging through memd beside paging by the kernel: the same verified work on
 * memd memory (faults handled inline, and by a thread) and on plain anonymous
 * memory in a memory cgroup of the same size with a swap file of the same size
 * in the same folder.
 *
 * Starts a private memd with default settings but for sizes and places.  Runs
 * are interleaved, each in a new process with freshly filled memory.  It says
 * how fast; it fails for wrong values only, never for slow ones. */
#include "tests/bench/child.h"
#include "tests/bench/kernel_swap.h"
#include "tests/bench/memd_status.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include "tests/bench/trial.h"
#include "tests/integration/testmemd.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_MAGIC_NUMBER 0x01021994	/* statfs(2) */

enum { EXIT_SKIP = 77 };

/* All that has to be taken away again.  Global, as testmemd_start() may end
 * the program by itself. */
static struct {
	char folder[256];
	struct testmemd memd;
	struct kernel_swap kernel;
	struct stage stage;
	bool has_failed;
} made = { .memd = { .pidfd = -1, .notify_fd = -1 } };

/* memd removes its swap file itself, unless it had a bad end. */
static void remove_folder(void)
{
	char path[320];

	if (made.folder[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/memd.swap", made.folder);
	(void)unlink(path);
	if (rmdir(made.folder) != 0) {
		perror(made.folder);
		made.has_failed = true;
	}
	made.folder[0] = '\0';
}

static void clean_up(void)
{
	child_block_signals();
	stage_fini(&made.stage);
	if (made.memd.pid != 0 && testmemd_stop(&made.memd) != 0)
		made.has_failed = true;
	if (kernel_swap_destroy(&made.kernel) != 0)
		made.has_failed = true;
	remove_folder();
}

/* ---- preparing */

static int make_folder(const struct options *o)
{
	const char *parent = o->folder;
	struct statfs fs;

	if (parent == NULL)
		parent = getenv("TMPDIR");
	if (parent == NULL || *parent == '\0')
		parent = "/var/tmp";
	if (statfs(parent, &fs) == 0 && fs.f_type == TMPFS_MAGIC_NUMBER) {
		fprintf(stderr, "paging: %s is a tmpfs: choose a folder on a "
			"disk with --dir\n", parent);
		return -1;
	}
	if ((size_t)snprintf(made.folder, sizeof(made.folder),
			     "%s/memd-bench-XXXXXX", parent) <
		    sizeof(made.folder) &&
	    mkdtemp(made.folder) != NULL)
		return 0;
	made.folder[0] = '\0';
	perror(parent);
	return -1;
}

static int start_memd(const struct options *o, struct report *rp)
{
	char pool[64], swap[64], file[320];
	const char *const flags[] = { pool, swap, file, "--log-level=info",
				      NULL };
	struct memd_status status;
	int fd, err;

	snprintf(pool, sizeof(pool), "--pool-size=%uM", o->limit_mib);
	snprintf(swap, sizeof(swap), "--swap-size=%uM", o->memory_mib);
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

/* Make what the chosen contestants need.  A kernel's swap that cannot be had
 * is taken from the list. */
static int prepare(struct options *o, struct report *rp)
{
	bool needs_memd = o->has_contestant[MEMD_INLINE] ||
			  o->has_contestant[MEMD_THREAD];

	if (make_folder(o) != 0)
		return -1;
	machine_describe(made.folder, &rp->machine);
	snprintf(rp->store, sizeof(rp->store), "none");
	if (needs_memd && start_memd(o, rp) != 0)
		return -1;
	if (stage_init(&made.stage, o) != 0) {
		fprintf(stderr, "paging: no memory for the results\n");
		return -1;
	}
	made.stage.memd = &made.memd;
	made.stage.kernel = &made.kernel;
	if (!o->has_contestant[KERNEL_SWAP])
		return 0;
	if (kernel_swap_create(&made.kernel, made.folder,
			       (uint64_t)o->limit_mib << 20,
			       (uint64_t)o->memory_mib << 20,
			       rp->kernel_left_out,
			       sizeof(rp->kernel_left_out)) == 0)
		return 0;
	o->has_contestant[KERNEL_SWAP] = false;
	fprintf(stderr, "paging: the kernel's swap is left out: %s\n",
		rp->kernel_left_out);
	return 0;
}

static int make_rows(const struct options *o, struct report *rp)
{
	rp->rows = calloc(ROWS_MAX, sizeof(*rp->rows));
	if (rp->rows == NULL)
		return -ENOMEM;
	for (unsigned t = 0; t < o->thread_counts_count; t++)
		for (size_t k = 0; k < WORK_KINDS; k++) {
			if (!o->has_work[k])
				continue;
			rp->rows[rp->row_count].kind = &work_kinds[k];
			rp->rows[rp->row_count].thread_count =
				o->thread_counts[t];
			rp->row_count++;
		}
	return 0;
}

/* ---- running */

static int run_one(struct row *row, enum contestant who, unsigned repeat_idx)
{
	const struct trial t = {
		.who = who,
		.kind = row->kind,
		.thread_count = row->thread_count,
		.repeat_idx = repeat_idx,
	};
	int err = trial_run(&made.stage, &t, &row->run[who][repeat_idx]);

	if (err == 0)
		row->run_count[who]++;
	return err;
}

/* Each contestant begins as often as the others. */
static int run_all(const struct options *o, struct report *rp)
{
	int err = 0;

	for (unsigned r = 0; r < o->repeat; r++) {
		for (unsigned i = 0; i < rp->row_count; i++) {
			for (unsigned c = 0; c < CONTESTANTS; c++) {
				enum contestant who = (c + r + i) % CONTESTANTS;

				if (err == 0 && o->has_contestant[who])
					err = run_one(&rp->rows[i], who, r);
			}
		}
	}
	return err;
}

static int write_json(const struct report *rp, const char *path)
{
	FILE *f = fopen(path, "we");
	bool has_failed;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	report_print_json(rp, f);
	has_failed = ferror(f) != 0;
	if (fclose(f) != 0 || has_failed) {
		fprintf(stderr, "paging: cannot write %s\n", path);
		return -1;
	}
	return 0;
}

static int print_report(const struct report *rp)
{
	const char *json = rp->options->json_path;

	if (json != NULL && strcmp(json, "-") == 0)
		report_print_json(rp, stdout);
	else
		report_print_table(rp, stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		return -1;
	if (json == NULL || strcmp(json, "-") == 0)
		return 0;
	return write_json(rp, json);
}

static bool has_any_contestant(const struct options *o)
{
	for (unsigned c = 0; c < CONTESTANTS; c++)
		if (o->has_contestant[c])
			return true;
	return false;
}

/* Die of the signal that ended us, as a shell expects. */
static void raise_stop_signal(void)
{
	int sig = child_stop_signal();
	sigset_t set;

	if (sig == 0)
		return;
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct report rp = { .options = &o };
	int err;

	options_parse(argc, argv, &o);
	child_init();
	atexit(clean_up);
	if (prepare(&o, &rp) != 0 || make_rows(&o, &rp) != 0)
		exit(EXIT_FAILURE);
	if (!has_any_contestant(&o)) {
		printf("skipped: %s\n", rp.kernel_left_out);
		exit(EXIT_SKIP);
	}
	err = run_all(&o, &rp);
	clean_up();
	raise_stop_signal();
	if (err == 0)
		err = print_report(&rp);
	free(rp.rows);
	return err != 0 || made.has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
