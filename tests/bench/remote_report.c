/* SPDX-License-Identifier: MIT */
#include "tests/bench/remote.h"

#include <math.h>

static const char *const who_names[REMOTE_WHO] = {
	"bare TCP", "bare TCP, 128 MiB", "memd", "nbdkit"
};

static const char *const fault_names[REMOTE_FAULTINGS] = {
	[REMOTE_AS_IT_IS] = "fault at random, inline",
	[REMOTE_AWAKE] = "fault, nothing sleeps",
};

static const char *const bare_names[REMOTE_FAULTINGS] = {
	[REMOTE_AS_IT_IS] = "4 KiB, in turn with faults",
	[REMOTE_AWAKE] = "4 KiB, in turn, nothing sleeps",
};

static const struct remote_result *
result_of(const struct remote_section *section, int row, enum remote_who who)
{
	return &section->row[row].middle[who];
}

static double mib_per_s(const struct remote_row *row,
			const struct remote_result *r)
{
	return (double)row->work.block_bytes / (double)(1 << 20) * 1e9 /
	       r->mean_ns;
}

static double against_bare(const struct remote_row *row,
			   const struct remote_result *r)
{
	return row->middle[REMOTE_PING].mean_ns / r->mean_ns;
}

/* ---- goals */

enum { GOALS = 4 };

struct goal {
	const char *work, *goal;
	double figure;		/* NAN: could not be measured */
	bool is_met;
};

/* Against nbdkit, and a bare connection, of the same place. */
static double reads_to_nbd(const struct remote_section *section)
{
	const struct remote_result *nbd =
		result_of(section, REMOTE_SMALL_DEEP, REMOTE_NBD);

	return !nbd->is_done ? (double)NAN : nbd->mean_ns /
	       result_of(section, REMOTE_SMALL_DEEP, REMOTE_STORE)->mean_ns;
}

static double order_to_bare(const struct remote_section *section)
{
	const struct remote_row *row = &section->row[REMOTE_IN_ORDER];

	return section->place == NULL ? (double)NAN :
	       against_bare(row, &row->middle[REMOTE_STORE]);
}

static double fault_to_bare(const struct remote_faulting *rf)
{
	return !rf->faults.is_done ? (double)NAN :
	       rf->faults.p50_ns / rf->bare.p50_ns;
}

static void judge(const struct remote_report *rp, struct goal goal[GOALS])
{
	const struct remote_section *loopback = &rp->section[REMOTE_LOOPBACK];

	goal[0] = (struct goal){ "4 KiB at random, 32 under way, loopback",
				 "at least 1 x nbdkit's reads/s",
				 reads_to_nbd(loopback), false };
	goal[1] = (struct goal){ "reading in order, veth",
				 "at least 0.7 x bare TCP",
				 order_to_bare(&rp->section[REMOTE_VETH]),
				 false };
	goal[2] = (struct goal){ "a fault, median, loopback",
				 "at most 1.5 x a bare round trip",
				 fault_to_bare(loopback->faulting +
					       REMOTE_AS_IT_IS), false };
	goal[3] = (struct goal){ "the same, processors that never sleep",
				 "at most 1.5 x a bare round trip",
				 fault_to_bare(loopback->faulting +
					       REMOTE_AWAKE), false };
	goal[0].is_met = goal[0].figure >= 1;
	goal[1].is_met = goal[1].figure >= 0.7;
	goal[2].is_met = goal[2].figure <= 1.5;
	goal[3].is_met = goal[3].figure <= 1.5;
}

static const char *verdict(const struct goal *goal)
{
	if (!isfinite(goal->figure))
		return "not measured";
	return goal->is_met ? "met" : "missed";
}

/* ---- output */

typedef void print_row(const struct remote_row *row, enum remote_who who,
		       FILE *to);

static void for_each(const struct remote_section *section, print_row *print,
		     FILE *to)
{
	for (int i = 0; i < REMOTE_ROWS; i++)
		for (enum remote_who who = 0; who < REMOTE_WHO; who++)
			if (result_of(section, i, who)->is_done)
				print(&section->row[i], who, to);
}

static void print_missing(const struct remote_report *rp, FILE *to)
{
	if (!result_of(&rp->section[REMOTE_LOOPBACK], REMOTE_SMALL_DEEP,
		       REMOTE_NBD)->is_done)
		fprintf(to, "\nNot compared with nbdkit: it or libnbd "
			"(libnbd-dev, when this was built) is not there.\n");
	if (rp->section[REMOTE_VETH].place == NULL)
		fprintf(to, "\nNot measured between network namespaces: that "
			"takes root and ip(8).\n");
	if (!rp->section[REMOTE_LOOPBACK].faulting[REMOTE_AWAKE].faults.is_done)
		fprintf(to, "\nNot measured with processors that never sleep: "
			"that takes root, /dev/cpu_dma_latency and a "
			"cpuidle driver.\n");
}

static void print_text_row(const struct remote_row *row, enum remote_who who,
			   FILE *to)
{
	const struct remote_result *r = &row->middle[who];

	fprintf(to, "%-30s %-18s %10.1f %10.1f %10.1f %10.1f %9.2f\n",
		row->name, who_names[who], r->mean_ns / 1e3, r->p50_ns / 1e3,
		r->p99_ns / 1e3, mib_per_s(row, r), against_bare(row, r));
}

static void print_text_faulting(const char *name, const char *who,
				const struct remote_result *r, FILE *to)
{
	if (r->is_done)
		fprintf(to, "%-30s %-18s %10.1f %10.1f %10.1f\n", name, who,
			r->mean_ns / 1e3, r->p50_ns / 1e3, r->p99_ns / 1e3);
}

static void print_text_section(const struct remote_section *section, FILE *to)
{
	char title[32];

	if (section->place == NULL)
		return;
	snprintf(title, sizeof(title), "read over %s", section->place);
	fprintf(to, "%-30s %-18s %10s %10s %10s %10s %9s\n", title, "from",
		"us each", "p50 us", "p99 us", "MiB/s", "x bare");
	for_each(section, print_text_row, to);
	for (int i = 0; i < REMOTE_FAULTINGS; i++) {
		print_text_faulting(bare_names[i], "bare TCP",
				    &section->faulting[i].bare, to);
		print_text_faulting(fault_names[i], "memd",
				    &section->faulting[i].faults, to);
	}
	fprintf(to, "\n");
}

void remote_report_text(const struct remote_report *rp, FILE *to)
{
	struct goal goal[GOALS];

	for (int i = 0; i < REMOTE_PLACES; i++)
		print_text_section(&rp->section[i], to);
	judge(rp, goal);
	for (int i = 0; i < GOALS; i++)
		fprintf(to, "%-40s %-32s %6.2f  %s\n", goal[i].work,
			goal[i].goal, goal[i].figure, verdict(&goal[i]));
	print_missing(rp, to);
}

static void print_markdown_row(const struct remote_row *row,
			       enum remote_who who, FILE *to)
{
	const struct remote_result *r = &row->middle[who];

	fprintf(to, "| %s | %s | %.1f | %.1f | %.1f | %.0f | %.2f |\n",
		row->name, who_names[who], r->mean_ns / 1e3, r->p50_ns / 1e3,
		r->p99_ns / 1e3, mib_per_s(row, r), against_bare(row, r));
}

static void print_markdown_faulting(const char *name, const char *who,
				    const struct remote_result *r, FILE *to)
{
	if (r->is_done)
		fprintf(to, "| %s | %s | %.1f | %.1f | %.1f | – | – |\n",
			name, who, r->mean_ns / 1e3, r->p50_ns / 1e3,
			r->p99_ns / 1e3);
}

static void print_markdown_section(const struct remote_section *section,
				   FILE *to)
{
	if (section->place == NULL)
		return;
	fprintf(to, "\n| read over %s | from | µs each | p50 | p99 | MiB/s | "
		"× bare TCP |\n|---|---|--:|--:|--:|--:|--:|\n",
		section->place);
	for_each(section, print_markdown_row, to);
	for (int i = 0; i < REMOTE_FAULTINGS; i++) {
		print_markdown_faulting(bare_names[i], "bare TCP",
					&section->faulting[i].bare, to);
		print_markdown_faulting(fault_names[i], "memd",
					&section->faulting[i].faults, to);
	}
}

void remote_report_markdown(const struct remote_report *rp, FILE *to)
{
	struct goal goal[GOALS];

	fprintf(to, "\n### Memory of another host\n\n"
		"| work | goal | | |\n|---|---|--:|---|\n");
	judge(rp, goal);
	for (int i = 0; i < GOALS; i++)
		fprintf(to, "| %s | %s | %.2f | %s |\n", goal[i].work,
			goal[i].goal, goal[i].figure, verdict(&goal[i]));
	for (int i = 0; i < REMOTE_PLACES; i++)
		print_markdown_section(&rp->section[i], to);
	print_missing(rp, to);
}

static void print_json_row(const char *name, const char *who,
			   const struct remote_result *r, const char **between,
			   FILE *to)
{
	if (!r->is_done)
		return;
	fprintf(to, "%s    { \"read\": \"%s\", \"from\": \"%s\", "
		"\"mean_ns\": %.0f, \"p50_ns\": %.0f, \"p99_ns\": %.0f }",
		*between, name, who, r->mean_ns, r->p50_ns, r->p99_ns);
	*between = ",\n";
}

static void print_json_section(const struct remote_section *section, FILE *to)
{
	const char *between = "";

	fprintf(to, "  { \"over\": \"%s\", \"results\": [\n", section->place);
	for (int i = 0; i < REMOTE_ROWS; i++)
		for (enum remote_who who = 0; who < REMOTE_WHO; who++)
			print_json_row(section->row[i].name, who_names[who],
				       result_of(section, i, who), &between,
				       to);
	for (int i = 0; i < REMOTE_FAULTINGS; i++) {
		print_json_row(bare_names[i], "bare TCP",
			       &section->faulting[i].bare, &between, to);
		print_json_row(fault_names[i], "memd",
			       &section->faulting[i].faults, &between, to);
	}
	fprintf(to, " ] }");
}

void remote_report_json(const struct remote_report *rp, FILE *to)
{
	const char *between = "";

	fprintf(to, "{ \"version\": 3, \"sections\": [\n");
	for (int i = 0; i < REMOTE_PLACES; i++) {
		const struct remote_section *section = &rp->section[i];

		if (section->place == NULL)
			continue;
		fputs(between, to);
		print_json_section(section, to);
		between = ",\n";
	}
	fprintf(to, "] }\n");
}
