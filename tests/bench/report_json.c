/* SPDX-License-Identifier: MIT */
/* The JSON of report.h.  Keys are stable: programs compare runs of years by
 * them.  New ones may come; none changes its meaning.  What is not known is
 * null. */
#include "tests/bench/report.h"

#include "tests/bench/goals.h"
#include "tests/bench/spread.h"

static const struct {
	const char *key;
	size_t field;
} figures[] = {
	{ "mean_ns", FIELD(mean_ns) },
	{ "p50_ns", FIELD(p50_ns) },
	{ "p99_ns", FIELD(p99_ns) },
	{ "p999_ns", FIELD(p999_ns) },
	{ "max_ns", FIELD(max_ns) },
	{ "accesses_per_s", FIELD(accesses_per_s) },
	{ "faults_per_s", FIELD(faults_per_s) },
	{ "faults_per_access", FIELD(faults_per_access) },
	{ "ns_per_fault", FIELD(ns_per_fault) },
	{ "misses_per_s", FIELD(misses_per_s) },
	{ "client_cpu_s", FIELD(client_cpu_s) },
	{ "daemon_cpu_s", FIELD(daemon_cpu_s) },
	{ "other_cpu_s", FIELD(other_cpu_s) },
	{ "read_bytes", FIELD(read_bytes) },
	{ "written_bytes", FIELD(written_bytes) },
	{ "cpu_ns_per_page_in", FIELD(cpu_ns_per_page_in) },
	{ "written_per_changed", FIELD(written_per_changed) },
	{ "fill_ns_per_page", FIELD(fill_ns_per_page) },
	{ "fill_cpu_s", FIELD(fill_cpu_s) },
	{ "metadata_bytes", FIELD(metadata_bytes) },
	{ "daemon_rss_bytes", FIELD(daemon_rss_bytes) },
	{ "daemon_table_bytes", FIELD(daemon_table_bytes) },
	{ "client_table_bytes", FIELD(client_table_bytes) },
};

static void print_string(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20)
			fprintf(to, "\\u%04x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

/* "key": "text", or null when there is none. */
static void print_text(FILE *to, const char *key, const char *text)
{
	fprintf(to, "\"%s\": ", key);
	if (text == NULL || text[0] == '\0')
		fprintf(to, "null");
	else
		print_string(to, text);
}

static void print_number(FILE *to, const char *key, double value)
{
	fprintf(to, "\"%s\": ", key);
	if (value < 0)
		fprintf(to, "null");
	else
		fprintf(to, "%.9g", value);
}

static void print_settings(const struct options *o, FILE *to)
{
	fprintf(to, "  \"settings\": {\"limit_mib\": %u, \"accesses\": %u, "
		"\"repeat\": %u, \"is_small\": %s},\n", o->limit_mib,
		o->access_count, o->repeat, o->is_small ? "true" : "false");
}

static void print_machine(const struct report *rp, FILE *to)
{
	const struct machine *m = &rp->machine;

	fprintf(to, "  \"machine\": {");
	print_text(to, "kernel", m->kernel);
	fprintf(to, ", \"cpus\": %ld, \"memory_mib\": %ld, ", m->cpu_count,
		m->memory_mib);
	print_text(to, "filesystem", m->filesystem);
	fprintf(to, ",\n    \"swappiness\": %ld, \"page_cluster\": %ld, "
		"\"zswap\": %s, \"clock_ns\": %.1f, \"load\": %.2f},\n  ",
		m->swappiness, m->page_cluster, m->has_zswap ? "true" : "false",
		m->clock_ns, m->load);
	print_text(to, "store", rp->store);
	fprintf(to, ",\n");
}

static void print_left_out(const struct report *rp, FILE *to)
{
	fprintf(to, "  \"left_out\": {");
	for (enum contestant who = 0; who < CONTESTANTS; who++) {
		print_text(to, contestant_names[who], rp->left_out[who]);
		fprintf(to, ", ");
	}
	print_text(to, "floors", rp->floors_left_out);
	fprintf(to, ", ");
	print_text(to, "disk", rp->disk_left_out);
	fprintf(to, "},\n");
}

static void print_result(const struct report *rp, const struct row *row,
			 enum contestant who, FILE *to)
{
	const struct job *job = &row->job;

	fprintf(to, "    {\"work\": \"%s\", \"threads\": %u, "
		"\"processes\": %u, \"memory_percent\": %u,\n     "
		"\"on\": \"%s\", \"accesses\": %zu, \"is_kernel\": %s,\n     ",
		job->kind->name, job->thread_count, job->process_count,
		job->memory_percent, contestant_names[who],
		job_total_accesses(job, rp->options),
		row_best_kernel(row) == who ? "true" : "false");
	print_number(to, "speed_to_kernel", row_speed(row, who));
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		struct spread s = spread_of_row(row, who, figures[i].field);

		fprintf(to, ",\n     \"%s\": {", figures[i].key);
		print_number(to, "median", s.median);
		fprintf(to, ", ");
		print_number(to, "min", s.least);
		fprintf(to, ", ");
		print_number(to, "max", s.most);
		fprintf(to, "}");
	}
	fprintf(to, "}");
}

static void print_results(const struct report *rp, FILE *to)
{
	const char *separator = "\n";

	fprintf(to, "  \"results\": [");
	for (unsigned i = 0; i < rp->row_count; i++) {
		for (enum contestant who = 0; who < CONTESTANTS; who++) {
			if (rp->rows[i].run_count[who] == 0)
				continue;
			fprintf(to, "%s", separator);
			print_result(rp, &rp->rows[i], who, to);
			separator = ",\n";
		}
	}
	fprintf(to, "\n  ],\n");
}

static void print_floors(const struct report *rp, FILE *to)
{
	const char *separator = "\n";

	fprintf(to, "  \"floors\": [");
	for (size_t i = 0; i < FLOOR_KINDS; i++) {
		const struct floor_kind *kind = &floor_kinds[i];

		if (rp->floors[i].run_count == 0)
			continue;
		fprintf(to, "%s    {\"taken\": \"%s\", \"asks\": \"%s\", ",
			separator, floor_how_names[kind->how],
			floor_ask_names[kind->ask]);
		print_number(to, "mean_ns",
			     floor_median_ns(rp, kind->how, kind->ask));
		fprintf(to, "}");
		separator = ",\n";
	}
	fprintf(to, "\n  ],\n");
}

static void print_disk(const struct report *rp, FILE *to)
{
	const char *separator = "\n";

	fprintf(to, "  \"disk\": [");
	for (size_t i = 0; i < DISK_KINDS; i++) {
		const struct disk_kind *kind = &disk_kinds[i];

		if (rp->disk[i].run_count == 0)
			continue;
		fprintf(to, "%s    {\"order\": \"%s\", \"block_kib\": %u, "
			"\"depth\": %u, \"half_writes\": %s, ", separator,
			kind->is_random ? "random" : "sequential",
			kind->block_kib, kind->depth,
			kind->is_mixed ? "true" : "false");
		print_number(to, "bytes_per_s",
			     disk_median(&rp->disk[i],
					 offsetof(struct disk_result,
						  bytes_per_s)));
		fprintf(to, "}");
		separator = ",\n";
	}
	fprintf(to, "\n  ],\n");
}

static void print_idle(const struct report *rp, FILE *to)
{
	const char *separator = "\n";

	fprintf(to, "  \"idle\": [");
	for (enum contestant who = 0; who < CONTESTANTS; who++) {
		if (!rp->has_idle[who])
			continue;
		fprintf(to, "%s    {\"on\": \"%s\", \"client_percent\": %.4f, "
			"\"daemon_percent\": %.4f}", separator,
			contestant_names[who], rp->idle[who].client_percent,
			rp->idle[who].daemon_percent);
		separator = ",\n";
	}
	fprintf(to, "\n  ],\n");
}

static void print_goals(const struct report *rp, FILE *to)
{
	fprintf(to, "  \"goals\": [");
	for (unsigned i = 0; i < GOALS; i++) {
		struct goal_result g = goal_evaluate(rp, i);

		fprintf(to, "%s    {", i == 0 ? "\n" : ",\n");
		print_text(to, "work", g.work);
		fprintf(to, ", ");
		print_text(to, "goal", g.goal);
		fprintf(to, ",\n     \"limit\": %g, ", g.limit);
		print_number(to, "inline", g.measured[MEMD_INLINE]);
		fprintf(to, ", ");
		print_number(to, "thread", g.measured[MEMD_THREAD]);
		fprintf(to, ", ");
		print_text(to, "verdict", goal_verdict(&g));
		fprintf(to, "}");
	}
	fprintf(to, "\n  ]\n");
}

void report_print_json(const struct report *rp, FILE *to)
{
	fprintf(to, "{\n  \"benchmark\": \"paging\", \"version\": 2,\n");
	print_settings(rp->options, to);
	print_machine(rp, to);
	print_left_out(rp, to);
	print_results(rp, to);
	print_floors(rp, to);
	print_disk(rp, to);
	print_idle(rp, to);
	print_goals(rp, to);
	fprintf(to, "}\n");
}
