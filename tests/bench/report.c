/* SPDX-License-Identifier: MIT */
/* The table.  See report.h; the other forms have files of their own. */
#include "tests/bench/report.h"

#include "tests/bench/goals.h"
#include "tests/bench/spread.h"

#define MIB (1024.0 * 1024.0)
#define QUIET_LOAD 0.5

const char *const contestant_titles[CONTESTANTS] = {
	[MEMD_INLINE] = "memd inline",
	[MEMD_THREAD] = "memd thread",
	[KERNEL_CLUSTER_0] = "kernel pc 0",
	[KERNEL_CLUSTER_3] = "kernel pc 3",
	[KERNEL_ZRAM] = "kernel zram",
};

const char *report_warning(const struct report *rp)
{
	if (rp->options->is_small)
		return "small sizes and one run: a first look, nothing to "
		       "judge by";
	if (rp->machine.load > QUIET_LOAD)
		return "the machine was not quiet: do not publish these "
		       "figures without saying so";
	return NULL;
}

static void print_head(const struct report *rp, FILE *to)
{
	const struct options *o = rp->options;
	const struct machine *m = &rp->machine;
	const char *warning = report_warning(rp);

	fprintf(to, "%u MiB in RAM; %u accesses a run; median of %u\n",
		o->limit_mib, o->access_count, o->repeat);
	fprintf(to, "Linux %s, %ld CPUs, %ld MiB; swap files on %s; memd's "
		"store: %s\n", m->kernel, m->cpu_count, m->memory_mib,
		m->filesystem, rp->store);
	fprintf(to, "swappiness %ld, zswap %s; a clock reading takes %.0f ns; "
		"load %.2f\n", m->swappiness, m->has_zswap ? "on" : "off",
		m->clock_ns, m->load);
	for (enum contestant who = 0; who < CONTESTANTS; who++)
		if (rp->left_out[who][0] != '\0')
			fprintf(to, "%s is left out: %s\n",
				contestant_titles[who], rp->left_out[who]);
	if (rp->floors_left_out[0] != '\0')
		fprintf(to, "the floors are left out: %s\n",
			rp->floors_left_out);
	if (rp->disk_left_out[0] != '\0')
		fprintf(to, "the raw disk is left out: %s\n",
			rp->disk_left_out);
	if (warning != NULL)
		fprintf(to, "%s\n", warning);
}

static void print_number(FILE *to, const char *format, double value)
{
	char text[32];

	if (value < 0)
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), format, value);
	fprintf(to, " %8s", text);
}

/* Processor time an access. */
static double cpu_us(const struct report *rp, const struct row *row,
		     enum contestant who)
{
	double cpu_s = row_median(row, who, FIELD(client_cpu_s)) +
		       row_median(row, who, FIELD(daemon_cpu_s));

	return cpu_s * 1e6 / (double)job_total_accesses(&row->job,
							rp->options);
}

static void print_run(const struct report *rp, const struct row *row,
		      enum contestant who, FILE *to)
{
	struct spread mean = spread_of_row(row, who, FIELD(mean_ns));
	double per_s = row_median(row, who, FIELD(accesses_per_s));
	double busy = row_median(row, who, FIELD(other_cpu_s)) * per_s /
		      (double)job_total_accesses(&row->job, rp->options);

	fprintf(to, "  %-24s %8.0f %8.0f %8.0f %8.0f %8.0f %8.0f %8.0f",
		contestant_titles[who], mean.median, mean.least, mean.most,
		row_median(row, who, FIELD(p50_ns)),
		row_median(row, who, FIELD(p99_ns)),
		row_median(row, who, FIELD(p999_ns)), per_s);
	print_number(to, "%.0f", row_median(row, who, FIELD(faults_per_s)));
	print_number(to, "%.1f", cpu_us(rp, row, who));
	print_number(to, "%.2f", busy);
	print_number(to, "%.0f", row_median(row, who, FIELD(read_bytes)) / MIB);
	print_number(to, "%.0f",
		     row_median(row, who, FIELD(written_bytes)) / MIB);
	print_number(to, "%.2f", row_speed(row, who));
	fprintf(to, "\n");
}

static void print_row(const struct report *rp, const struct row *row, FILE *to)
{
	char name[JOB_NAME_BYTES];

	job_name(&row->job, name);
	fprintf(to, "\n%-26s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s "
		"%8s\n", name, "ns", "least", "most", "p50", "p99", "p99.9",
		"per s", "faults/s", "cpu us", "other", "MiB in", "out",
		"x kernel");
	for (enum contestant who = 0; who < CONTESTANTS; who++)
		if (row->run_count[who] > 0)
			print_run(rp, row, who, to);
}

static void print_legend(FILE *to)
{
	fprintf(to, "\nns: of an access, mean; least and most: of the runs' "
		"means\n"
		"faults/s: page faults of any kind that programs took\n"
		"cpu us: processor time an access, of clients and daemon (or "
		"kswapd)\n"
		"other: processors busy with anything else, interrupts "
		"included\n"
		"MiB in, out: read from and written to swap\n"
		"x kernel: accesses a second, over those of the kernel's swap "
		"to a file\n"
		"          with the page-cluster that is better here\n");
}

static void print_floors(const struct report *rp, FILE *to)
{
	fprintf(to, "\n%-26s %8s\n", "a bare fault", "ns");
	for (size_t i = 0; i < FLOOR_KINDS; i++) {
		char name[64];

		if (rp->floors[i].run_count == 0)
			continue;
		snprintf(name, sizeof(name), "%s, %s",
			 floor_how_names[floor_kinds[i].how],
			 floor_ask_names[floor_kinds[i].ask]);
		fprintf(to, "  %-24s", name);
		print_number(to, "%.0f",
			     floor_median_ns(rp, floor_kinds[i].how,
					     floor_kinds[i].ask));
		fprintf(to, "\n");
	}
}

static void print_disk(const struct report *rp, FILE *to)
{
	fprintf(to, "\n%-26s %8s %8s\n", "the bare disk", "ns/4 KiB", "MiB/s");
	for (size_t i = 0; i < DISK_KINDS; i++) {
		const struct disk_row *row = &rp->disk[i];
		char name[DISK_KIND_NAME_BYTES];

		if (row->run_count == 0)
			continue;
		disk_kind_name(&disk_kinds[i], name);
		fprintf(to, "  %-24s", name);
		print_number(to, "%.0f",
			     disk_median(row, offsetof(struct disk_result,
						       ns_per_page)));
		print_number(to, "%.0f",
			     disk_median(row, offsetof(struct disk_result,
						       bytes_per_s)) / MIB);
		fprintf(to, "\n");
	}
}

static void print_bytes(const struct row *row, enum contestant who,
			size_t field, double all_bytes, const char *what,
			FILE *to)
{
	double bytes = row_median(row, who, field);

	fprintf(to, "  %-24s %8.2f %7.2f%%  %s\n", contestant_titles[who],
		bytes / MIB, 100 * bytes / all_bytes, what);
}

/* Of the first row that pages: it does not depend on what is done. */
static void print_memory(const struct report *rp, FILE *to)
{
	const struct row *row = rp->rows;
	double all;

	while (row < rp->rows + rp->row_count && !job_is_paging(&row->job))
		row++;
	if (row == rp->rows + rp->row_count)
		return;
	all = (double)job_page_count(&row->job, rp->options) *
	      WORKLOAD_PAGE_BYTES * row->job.process_count;
	fprintf(to, "\n%-26s %8s %8s\n", "beside the pages", "MiB", "of all");
	for (enum contestant who = 0; who < CONTESTANTS; who++) {
		if (row->run_count[who] == 0)
			continue;
		if (contestant_is_memd(who)) {
			print_bytes(row, who, FIELD(metadata_bytes), all,
				    "memd's tables (metadata_bytes of its "
				    "status)", to);
			print_bytes(row, who, FIELD(daemon_rss_bytes), all,
				    "all of memd that is resident: tables, "
				    "staging buffers, code", to);
			print_bytes(row, who, FIELD(daemon_table_bytes), all,
				    "memd's page tables", to);
		}
		print_bytes(row, who, FIELD(client_table_bytes), all,
			    "the client's page tables", to);
	}
}

static void print_idle(const struct report *rp, FILE *to)
{
	fprintf(to, "\n%-26s %8s %8s\n", "idle, % of a processor", "client",
		"daemon");
	for (enum contestant who = 0; who < CONTESTANTS; who++)
		if (rp->has_idle[who])
			fprintf(to, "  %-24s %8.3f %8.3f\n",
				contestant_titles[who],
				rp->idle[who].client_percent,
				rp->idle[who].daemon_percent);
}

static void print_goals(const struct report *rp, FILE *to)
{
	fprintf(to, "\n%-44s %-44s %8s %8s  %s\n", "goals", "", "inline",
		"thread", "verdict");
	for (unsigned i = 0; i < GOALS; i++) {
		struct goal_result g = goal_evaluate(rp, i);

		if (!goal_is_shown(rp, &g))
			continue;
		fprintf(to, "  %-42s %-44s", g.work, g.goal);
		print_number(to, "%.2f", g.measured[MEMD_INLINE]);
		print_number(to, "%.2f", g.measured[MEMD_THREAD]);
		fprintf(to, "  %s\n", goal_verdict(&g));
	}
}

void report_print_table(const struct report *rp, FILE *to)
{
	print_head(rp, to);
	for (unsigned i = 0; i < rp->row_count; i++)
		print_row(rp, &rp->rows[i], to);
	if (rp->options->has_floors)
		print_floors(rp, to);
	if (rp->options->has_disk)
		print_disk(rp, to);
	print_memory(rp, to);
	if (rp->options->has_idle)
		print_idle(rp, to);
	print_goals(rp, to);
	print_legend(to);
}
