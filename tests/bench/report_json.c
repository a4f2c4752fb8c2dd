/* SPDX-License-Identifier: MIT */
/* The JSON of report.h.  Keys are stable: programs compare runs of years by
 * them.  New ones may come; none changes its meaning. */
#include "tests/bench/report.h"

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
	{ "client_cpu_s", FIELD(client_cpu_s) },
	{ "daemon_cpu_s", FIELD(daemon_cpu_s) },
	{ "other_cpu_s", FIELD(other_cpu_s) },
	{ "read_bytes", FIELD(read_bytes) },
	{ "written_bytes", FIELD(written_bytes) },
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

static void print_settings(const struct options *o, FILE *to)
{
	fprintf(to, "  \"settings\": {\"mib\": %u, \"limit_mib\": %u, "
		"\"accesses\": %u, \"repeat\": %u},\n", o->memory_mib,
		o->limit_mib, o->access_count, o->repeat);
}

static void print_machine(const struct report *rp, FILE *to)
{
	const struct machine *m = &rp->machine;

	fprintf(to, "  \"machine\": {\"kernel\": ");
	print_string(to, m->kernel);
	fprintf(to, ", \"cpus\": %ld, \"memory_mib\": %ld, "
		"\"filesystem\": ", m->cpu_count, m->memory_mib);
	print_string(to, m->filesystem);
	fprintf(to, ", \"swappiness\": %ld, \"page_cluster\": %ld, "
		"\"zswap\": %s, \"clock_ns\": %.1f, \"load\": %.2f},\n",
		m->swappiness, m->page_cluster, m->has_zswap ? "true" : "false",
		m->clock_ns, m->load);
	fprintf(to, "  \"store\": ");
	print_string(to, rp->store);
	fprintf(to, ",\n  \"kernel_left_out\": ");
	if (rp->kernel_left_out[0] != '\0')
		print_string(to, rp->kernel_left_out);
	else
		fprintf(to, "null");
	fprintf(to, ",\n");
}

static void print_result(const struct row *row, enum contestant who, FILE *to)
{
	double ratio = ratio_to_kernel(row, who, FIELD(mean_ns));

	fprintf(to, "    {\"work\": \"%s\", \"threads\": %u, "
		"\"on\": \"%s\",\n     \"ratio_to_kernel\": ",
		row->kind->name, row->thread_count, contestant_names[who]);
	if (ratio > 0)
		fprintf(to, "%.3f", ratio);
	else
		fprintf(to, "null");
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		struct spread s = spread_of_row(row, who, figures[i].field);

		fprintf(to, ",\n     \"%s\": {\"median\": %.9g, "
			"\"min\": %.9g, \"max\": %.9g}", figures[i].key,
			s.median, s.least, s.most);
	}
	fprintf(to, "}");
}

void report_print_json(const struct report *rp, FILE *to)
{
	const char *separator = "\n";

	fprintf(to, "{\n  \"benchmark\": \"paging\", \"version\": 1,\n");
	print_settings(rp->options, to);
	print_machine(rp, to);
	fprintf(to, "  \"results\": [");
	for (unsigned i = 0; i < rp->row_count; i++) {
		for (enum contestant who = 0; who < CONTESTANTS; who++) {
			if (rp->rows[i].run_count[who] == 0)
				continue;
			fprintf(to, "%s", separator);
			print_result(&rp->rows[i], who, to);
			separator = ",\n";
		}
	}
	fprintf(to, "\n  ]\n}\n");
}
