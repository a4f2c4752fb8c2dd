/* SPDX-License-Identifier: MIT */
/* Paging through memd beside paging by the kernel: the same verified work on
 * memd memory (faults handled inline, and by a thread) and on plain anonymous
 * memory in a memory cgroup of the same size, with a swap file of the same size
 * in the same folder, or zram; and beside both what a bare fault and the bare
 * disk cost.
 *
 * Starts a private memd with default settings but for sizes and places.  Runs
 * are interleaved, each in new processes with freshly filled memory.  It says
 * how fast; it fails for wrong values only, never for slow ones. */
#include "tests/bench/child.h"
#include "tests/bench/contest.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_SKIP = 77 };

static int make_rows(const struct options *o, struct report *rp)
{
	struct job jobs[JOBS_MAX];
	size_t count = plan_make(o, jobs);

	rp->rows = calloc(count + 1, sizeof(*rp->rows));
	if (rp->rows == NULL) {
		fprintf(stderr, "paging: no memory for the results\n");
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		rp->rows[i].job = jobs[i];
	rp->row_count = (unsigned)count;
	return 0;
}

typedef void printer(const struct report *rp, FILE *to);

/* path NULL: nothing is asked for. */
static int write_file(const struct report *rp, const char *path, printer *print)
{
	bool has_failed;
	FILE *f;

	if (path == NULL || strcmp(path, "-") == 0)
		return 0;
	f = fopen(path, "we");
	if (f == NULL) {
		perror(path);
		return -1;
	}
	print(rp, f);
	has_failed = ferror(f) != 0;
	if (fclose(f) != 0 || has_failed) {
		fprintf(stderr, "paging: cannot write %s\n", path);
		return -1;
	}
	return 0;
}

static int print_report(const struct report *rp)
{
	const struct options *o = rp->options;

	if (o->json_path != NULL && strcmp(o->json_path, "-") == 0)
		report_print_json(rp, stdout);
	else
		report_print_table(rp, stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		return -1;
	if (write_file(rp, o->json_path, report_print_json) != 0 ||
	    write_file(rp, o->markdown_path, report_print_markdown) != 0 ||
	    write_file(rp, o->chart_path, report_print_chart) != 0)
		return -1;
	return 0;
}

/* Is anything left to be done? */
static bool has_anything(const struct options *o, const struct report *rp)
{
	if (o->has_floors || o->has_disk)
		return true;
	for (unsigned c = 0; c < CONTESTANTS; c++)
		if (o->has_contestant[c] && (rp->row_count > 0 || o->has_idle))
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

static void clean_up_at_exit(void)
{
	(void)contest_clean_up();
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct report rp = { .options = &o };
	int err, left;

	options_parse(argc, argv, &o);
	child_init();
	atexit(clean_up_at_exit);
	if (make_rows(&o, &rp) != 0)
		return EXIT_FAILURE;
	err = contest_prepare(&o, &rp);
	if (err == 0 && !has_anything(&o, &rp)) {
		printf("skipped: nothing of it can be had here (above)\n");
		return EXIT_SKIP;
	}
	if (err == 0)
		err = contest_run(&o, &rp);
	left = contest_clean_up();
	raise_stop_signal();
	if (err == 0)
		err = print_report(&rp);
	free(rp.rows);
	return err != 0 || left != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
