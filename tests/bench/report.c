/* SPDX-License-Identifier: MIT */
/* The table.  See report.h; the JSON is in report_json.c. */
#include "tests/bench/report.h"

#include "tests/bench/spread.h"

#define MIB (1024.0 * 1024.0)
#define QUIET_LOAD 0.5

static const char *const titles[CONTESTANTS] = {
	[MEMD_INLINE] = "memd, inline",
	[MEMD_THREAD] = "memd, thread",
	[KERNEL_SWAP] = "kernel's swap",
};

static double median(const struct row *row, enum contestant who, size_t field)
{
	return spread_of_row(row, who, field).median;
}

static bool took_part(const struct report *rp, enum contestant who)
{
	return rp->row_count > 0 && rp->rows[0].run_count[who] > 0;
}

static void print_ratio(FILE *to, double ratio)
{
	if (ratio > 0)
		fprintf(to, " %8.2f\n", ratio);
	else
		fprintf(to, " %8s\n", "-");
}

static void print_head(const struct report *rp, FILE *to)
{
	const struct options *o = rp->options;
	const struct machine *m = &rp->machine;

	fprintf(to, "%u MiB of memory, %u MiB of it in RAM; %u accesses a run; "
		"median of %u\n", o->memory_mib, o->limit_mib, o->access_count,
		o->repeat);
	fprintf(to, "Linux %s, %ld CPUs, %ld MiB; swap files on %s; memd's "
		"store: %s\n", m->kernel, m->cpu_count, m->memory_mib,
		m->filesystem, rp->store);
	fprintf(to, "kernel's swap: swappiness %ld, page-cluster %ld, zswap "
		"%s; a clock reading takes %.0f ns; load %.2f\n",
		m->swappiness, m->page_cluster, m->has_zswap ? "on" : "off",
		m->clock_ns, m->load);
	if (rp->kernel_left_out[0] != '\0')
		fprintf(to, "kernel's swap is left out: %s\n",
			rp->kernel_left_out);
	if (m->load > QUIET_LOAD)
		fprintf(to, "the machine was not quiet: do not publish these "
			"figures without saying so\n");
}

static void print_legend(FILE *to)
{
	fprintf(to, "\nns: of an access, mean; least and most: of the runs' "
		"means\n"
		"cpu us: processor time of client and daemon an access (or "
		"page)\n"
		"other: processors busy with anything else, interrupts "
		"included\n"
		"MiB in, out: read from and written to the swap file\n"
		"/kernel: ns divided by the ns of the kernel's swap\n");
}

static void print_run(const struct report *rp, const struct row *row,
		      enum contestant who, FILE *to)
{
	struct spread mean = spread_of_row(row, who, FIELD(mean_ns));
	double per_s = median(row, who, FIELD(accesses_per_s));
	double cpu = median(row, who, FIELD(client_cpu_s)) +
		     median(row, who, FIELD(daemon_cpu_s));
	double count = rp->options->access_count;

	fprintf(to, "  %-22s %8.0f %8.0f %8.0f", titles[who], mean.median,
		mean.least, mean.most);
	fprintf(to, " %8.0f %8.0f %8.0f %8.0f",
		median(row, who, FIELD(p50_ns)),
		median(row, who, FIELD(p99_ns)),
		median(row, who, FIELD(p999_ns)), per_s);
	fprintf(to, " %6.1f %5.2f %6.0f %6.0f", cpu * 1e6 / count,
		median(row, who, FIELD(other_cpu_s)) * per_s / count,
		median(row, who, FIELD(read_bytes)) / MIB,
		median(row, who, FIELD(written_bytes)) / MIB);
	print_ratio(to, ratio_to_kernel(row, who, FIELD(mean_ns)));
}

static void print_row(const struct report *rp, const struct row *row, FILE *to)
{
	char name[32];

	snprintf(name, sizeof(name), "%s, %u thread%s", row->kind->name,
		 row->thread_count, row->thread_count == 1 ? "" : "s");
	fprintf(to, "\n%-24s %8s %8s %8s %8s %8s %8s %8s %6s %5s %6s %6s %8s\n",
		name, "ns", "least", "most", "p50", "p99", "p99.9",
		"per s", "cpu us", "other", "MiB in", "out", "/kernel");
	for (enum contestant who = 0; who < CONTESTANTS; who++)
		if (row->run_count[who] > 0)
			print_run(rp, row, who, to);
}

static void print_fill(const struct report *rp, FILE *to)
{
	double pages = rp->options->memory_mib * MIB / WORKLOAD_PAGE_BYTES;
	double kernel = spread_of_all(rp, KERNEL_SWAP,
				      FIELD(fill_ns_per_page)).median;

	fprintf(to, "\n%-24s %8s %8s %8s %42s %28s\n", "fill", "ns/page",
		"least", "most", "cpu us", "/kernel");
	for (enum contestant who = 0; who < CONTESTANTS; who++) {
		struct spread ns = spread_of_all(rp, who,
						 FIELD(fill_ns_per_page));
		struct spread cpu = spread_of_all(rp, who, FIELD(fill_cpu_s));

		if (!took_part(rp, who))
			continue;
		fprintf(to, "  %-22s %8.0f %8.0f %8.0f %42.1f %19s",
			titles[who], ns.median, ns.least, ns.most,
			cpu.median * 1e6 / pages, "");
		print_ratio(to, kernel > 0 ? ns.median / kernel : 0);
	}
}

static void print_bytes(const struct report *rp, enum contestant who,
			size_t field, const char *what, FILE *to)
{
	double bytes = spread_of_all(rp, who, field).median;

	fprintf(to, "  %-22s %8.2f %7.2f%%  %s\n", titles[who], bytes / MIB,
		100 * bytes / (rp->options->memory_mib * MIB), what);
}

static void print_memory(const struct report *rp, FILE *to)
{
	fprintf(to, "\n%-24s %8s %8s\n", "beside the pages", "MiB",
		"of all");
	for (enum contestant who = 0; who < CONTESTANTS; who++) {
		if (!took_part(rp, who))
			continue;
		if (who != KERNEL_SWAP) {
			print_bytes(rp, who, FIELD(metadata_bytes),
				    "memd's tables (metadata_bytes of its "
				    "status)", to);
			print_bytes(rp, who, FIELD(daemon_rss_bytes),
				    "all of memd that is resident: tables, "
				    "staging buffers, code", to);
			print_bytes(rp, who, FIELD(daemon_table_bytes),
				    "memd's page tables", to);
		}
		print_bytes(rp, who, FIELD(client_table_bytes),
			    "the client's page tables", to);
	}
}

void report_print_table(const struct report *rp, FILE *to)
{
	print_head(rp, to);
	for (unsigned i = 0; i < rp->row_count; i++)
		print_row(rp, &rp->rows[i], to);
	print_fill(rp, to);
	print_memory(rp, to);
	print_legend(to);
}
