/* SPDX-License-Identifier: MIT */
/* The tables of docs/performance.md, as they stand between its markers.  See
 * report.h. */
#include "tests/bench/report.h"

#include "tests/bench/goals.h"
#include "tests/bench/spread.h"
#include <string.h>

#define MIB (1024.0 * 1024.0)

enum { NUMBER_BYTES = 32 };

/* 1234567 as "1 234 567"; small ones with what follows the point. */
static void format_number(double value, char to[NUMBER_BYTES])
{
	char digits[NUMBER_BYTES];
	size_t length, used = 0;

	if (value < 0) {
		snprintf(to, NUMBER_BYTES, "–");
		return;
	}
	if (value < 100) {
		snprintf(to, NUMBER_BYTES, value < 10 ? "%.2f" : "%.1f", value);
		return;
	}
	length = (size_t)snprintf(digits, sizeof(digits), "%.0f", value);
	for (size_t i = 0; i < length && used + 2 < NUMBER_BYTES; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			to[used++] = ' ';
		to[used++] = digits[i];
	}
	to[used] = '\0';
}

static void print_cell(FILE *to, double value)
{
	char text[NUMBER_BYTES];

	format_number(value, text);
	fprintf(to, " %s |", text);
}

static void print_machine(const struct report *rp, FILE *to)
{
	const struct options *o = rp->options;
	const struct machine *m = &rp->machine;
	const char *warning = report_warning(rp);

	fprintf(to, "%ld CPUs, %.0f GiB, Linux %s, swap files on %s, memd's "
		"store %s; load %.1f when\nit began. %u MiB in RAM, %u "
		"accesses a run, medians of %u.\n", m->cpu_count,
		(double)m->memory_mib / 1024, m->version, m->filesystem,
		rp->store, m->load, o->limit_mib, o->access_count, o->repeat);
	if (warning != NULL)
		fprintf(to, "\n**%s.**\n", warning);
	for (enum contestant who = 0; who < CONTESTANTS; who++)
		if (rp->left_out[who][0] != '\0')
			fprintf(to, "\n%s is left out: %s.\n",
				contestant_titles[who], rp->left_out[who]);
	if (rp->floors_left_out[0] != '\0')
		fprintf(to, "\nThe floors are left out: %s.\n",
			rp->floors_left_out);
	if (rp->disk_left_out[0] != '\0')
		fprintf(to, "\nThe raw disk is left out: %s.\n",
			rp->disk_left_out);
}

static void print_goals(const struct report *rp, FILE *to)
{
	fprintf(to, "\n### Goals\n\n| work | goal | inline | thread | |\n"
		"|---|---|--:|--:|---|\n");
	for (unsigned i = 0; i < GOALS; i++) {
		struct goal_result g = goal_evaluate(rp, i);

		if (!goal_is_shown(rp, &g))
			continue;
		fprintf(to, "| %s | %s |", g.work, g.goal);
		print_cell(to, g.measured[MEMD_INLINE]);
		print_cell(to, g.measured[MEMD_THREAD]);
		fprintf(to, " %s |\n", goal_verdict(&g));
	}
}

static void print_run(const struct report *rp, const struct row *row,
		      enum contestant who, FILE *to)
{
	double accesses = (double)job_total_accesses(&row->job, rp->options);
	double cpu_s = row_median(row, who, FIELD(client_cpu_s)) +
		       row_median(row, who, FIELD(daemon_cpu_s));
	struct spread mean = spread_of_row(row, who, FIELD(mean_ns));
	char least[NUMBER_BYTES], most[NUMBER_BYTES], name[JOB_NAME_BYTES];

	job_name(&row->job, name);
	format_number(mean.least, least);
	format_number(mean.most, most);
	fprintf(to, "| %s | %s |", name, contestant_titles[who]);
	print_cell(to, mean.median);
	fprintf(to, " %s–%s |", least, most);
	print_cell(to, row_median(row, who, FIELD(p50_ns)));
	print_cell(to, row_median(row, who, FIELD(p99_ns)));
	print_cell(to, row_median(row, who, FIELD(p999_ns)));
	print_cell(to, row_median(row, who, FIELD(accesses_per_s)));
	print_cell(to, row_median(row, who, FIELD(faults_per_s)));
	print_cell(to, cpu_s * 1e6 / accesses);
	print_cell(to, row_median(row, who, FIELD(read_bytes)) / MIB);
	print_cell(to, row_median(row, who, FIELD(written_bytes)) / MIB);
	print_cell(to, row_speed(row, who));
	fprintf(to, "\n");
}

static void print_rows(const struct report *rp, FILE *to)
{
	fprintf(to, "\n### Work\n\n| work | on | ns an access | least–most | "
		"p50 | p99 | p99.9 | accesses/s | faults/s | CPU µs an access "
		"| MiB in | MiB out | × kernel |\n"
		"|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
	for (unsigned i = 0; i < rp->row_count; i++)
		for (enum contestant who = 0; who < CONTESTANTS; who++)
			if (rp->rows[i].run_count[who] > 0)
				print_run(rp, &rp->rows[i], who, to);
}

static void print_floors(const struct report *rp, FILE *to)
{
	fprintf(to, "\n### A bare fault\n\n| taken | asks by | ns |\n"
		"|---|---|--:|\n");
	for (size_t i = 0; i < FLOOR_KINDS; i++) {
		const struct floor_kind *kind = &floor_kinds[i];

		if (rp->floors[i].run_count == 0)
			continue;
		fprintf(to, "| %s | %s |", floor_how_names[kind->how],
			floor_ask_names[kind->ask]);
		print_cell(to, floor_median_ns(rp, kind->how, kind->ask));
		fprintf(to, "\n");
	}
}

static void print_disk(const struct report *rp, FILE *to)
{
	fprintf(to, "\n### The bare disk\n\n| requests | ns a 4 KiB | MiB/s |\n"
		"|---|--:|--:|\n");
	for (size_t i = 0; i < DISK_KINDS; i++) {
		const struct disk_row *row = &rp->disk[i];
		char name[DISK_KIND_NAME_BYTES];

		if (row->run_count == 0)
			continue;
		disk_kind_name(&disk_kinds[i], name);
		fprintf(to, "| %s |", name);
		print_cell(to, disk_median(row, offsetof(struct disk_result,
							 ns_per_page)));
		print_cell(to, disk_median(row, offsetof(struct disk_result,
							 bytes_per_s)) / MIB);
		fprintf(to, "\n");
	}
}

static void print_idle(const struct report *rp, FILE *to)
{
	fprintf(to, "\n### Idle\n\n| %% of a processor, over %u s | client | "
		"daemon |\n|---|--:|--:|\n", rp->options->idle_s);
	for (enum contestant who = 0; who < CONTESTANTS; who++)
		if (rp->has_idle[who])
			fprintf(to, "| %s | %.3f | %.3f |\n",
				contestant_titles[who],
				rp->idle[who].client_percent,
				rp->idle[who].daemon_percent);
}

/* Of the first row that pages: it does not depend on what is done. */
static void print_memory(const struct report *rp, FILE *to)
{
	const struct row *row = rp->rows;
	const struct row *end = rp->rows + rp->row_count;
	double all;

	while (row < end && (!job_is_paging(&row->job) ||
			     row->run_count[MEMD_INLINE] == 0))
		row++;
	if (row == end)
		return;
	all = (double)job_page_count(&row->job, rp->options) *
	      WORKLOAD_PAGE_BYTES * row->job.process_count;
	fprintf(to, "\n### Memory beside the pages\n\n"
		"| of %.0f MiB that the client has mapped | MiB | %% |\n"
		"|---|--:|--:|\n", all / MIB);
	for (unsigned i = 0; i < 4; i++) {
		static const struct {
			const char *what;
			size_t field;
		} parts[] = {
			{ "memd's tables", FIELD(metadata_bytes) },
			{ "memd's page tables", FIELD(daemon_table_bytes) },
			{ "the client's page tables",
			  FIELD(client_table_bytes) },
			{ "all of memd that is resident: tables, staging "
			  "buffers, code", FIELD(daemon_rss_bytes) },
		};
		double bytes = row_median(row, MEMD_INLINE, parts[i].field);

		fprintf(to, "| %s | %.2f | %.2f |\n", parts[i].what,
			bytes / MIB, 100 * bytes / all);
	}
}

void report_print_markdown(const struct report *rp, FILE *to)
{
	print_machine(rp, to);
	print_goals(rp, to);
	if (rp->row_count > 0)
		print_rows(rp, to);
	if (rp->options->has_floors)
		print_floors(rp, to);
	if (rp->options->has_disk)
		print_disk(rp, to);
	if (rp->options->has_idle)
		print_idle(rp, to);
	print_memory(rp, to);
}
