/* SPDX-License-Identifier: MIT */
#include "tests/bench/remote.h"

#include <math.h>

static const char *const who_names[REMOTE_WHO] = {
	"bare TCP", "bare TCP, 128 MiB", "memd", "nbdkit"
};

static const struct remote_result *
result_of(const struct remote_report *rp, int row, enum remote_who who)
{
	return &rp->row[row].middle[who];
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

enum { GOALS = 3 };

struct goal {
	const char *work, *goal;
	double figure;		/* NAN: could not be measured */
	bool is_met;
};

static void judge(const struct remote_report *rp, struct goal goal[GOALS])
{
	const struct remote_result *nbd =
		result_of(rp, REMOTE_SMALL_DEEP, REMOTE_NBD);
	const struct remote_row *order = &rp->row[REMOTE_IN_ORDER];

	goal[0] = (struct goal){
		"4 KiB at random, 32 under way",
		"at least 1 x nbdkit's reads/s",
		nbd->is_done ? nbd->mean_ns / result_of(rp, REMOTE_SMALL_DEEP,
				REMOTE_STORE)->mean_ns : NAN, false };
	goal[1] = (struct goal){
		"reading in order", "at least 0.7 x bare TCP",
		against_bare(order, &order->middle[REMOTE_STORE]), false };
	goal[2] = (struct goal){
		"a fault, median", "at most 1.5 x a bare round trip",
		rp->faults.p50_ns / result_of(rp, REMOTE_SMALL,
					      REMOTE_PING)->p50_ns, false };
	goal[0].is_met = goal[0].figure >= 1;
	goal[1].is_met = goal[1].figure >= 0.7;
	goal[2].is_met = goal[2].figure <= 1.5;
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

static void for_each(const struct remote_report *rp, print_row *print,
		     FILE *to)
{
	for (int i = 0; i < REMOTE_ROWS; i++)
		for (enum remote_who who = 0; who < REMOTE_WHO; who++)
			if (result_of(rp, i, who)->is_done)
				print(&rp->row[i], who, to);
}

static void print_no_nbd(const struct remote_report *rp, FILE *to)
{
	if (!result_of(rp, REMOTE_SMALL_DEEP, REMOTE_NBD)->is_done)
		fprintf(to, "\nNot compared with nbdkit: it or libnbd "
			"(libnbd-dev, when this was built) is not there.\n");
}

static void print_text_row(const struct remote_row *row, enum remote_who who,
			   FILE *to)
{
	const struct remote_result *r = &row->middle[who];

	fprintf(to, "%-30s %-18s %10.1f %10.1f %10.1f %10.1f %9.2f\n",
		row->name, who_names[who], r->mean_ns / 1e3, r->p50_ns / 1e3,
		r->p99_ns / 1e3, mib_per_s(row, r), against_bare(row, r));
}

void remote_report_text(const struct remote_report *rp, FILE *to)
{
	const struct remote_result *faults = &rp->faults;
	struct goal goal[GOALS];

	fprintf(to, "%-30s %-18s %10s %10s %10s %10s %9s\n", "read", "from",
		"us each", "p50 us", "p99 us", "MiB/s", "x bare");
	for_each(rp, print_text_row, to);
	fprintf(to, "%-30s %-18s %10.1f %10.1f %10.1f\n\n",
		"fault at random, inline", "memd", faults->mean_ns / 1e3,
		faults->p50_ns / 1e3, faults->p99_ns / 1e3);
	judge(rp, goal);
	for (int i = 0; i < GOALS; i++)
		fprintf(to, "%-30s %-32s %6.2f  %s\n", goal[i].work,
			goal[i].goal, goal[i].figure, verdict(&goal[i]));
	print_no_nbd(rp, to);
}

static void print_markdown_row(const struct remote_row *row,
			       enum remote_who who, FILE *to)
{
	const struct remote_result *r = &row->middle[who];

	fprintf(to, "| %s | %s | %.1f | %.1f | %.1f | %.0f | %.2f |\n",
		row->name, who_names[who], r->mean_ns / 1e3, r->p50_ns / 1e3,
		r->p99_ns / 1e3, mib_per_s(row, r), against_bare(row, r));
}

void remote_report_markdown(const struct remote_report *rp, FILE *to)
{
	const struct remote_result *faults = &rp->faults;
	struct goal goal[GOALS];

	fprintf(to, "\n### Memory of another host\n\n"
		"| work | goal | | |\n|---|---|--:|---|\n");
	judge(rp, goal);
	for (int i = 0; i < GOALS; i++)
		fprintf(to, "| %s | %s | %.2f | %s |\n", goal[i].work,
			goal[i].goal, goal[i].figure, verdict(&goal[i]));
	fprintf(to, "\n| read | from | µs each | p50 | p99 | MiB/s | "
		"× bare TCP |\n|---|---|--:|--:|--:|--:|--:|\n");
	for_each(rp, print_markdown_row, to);
	fprintf(to, "| fault at random, inline | memd | %.1f | %.1f | %.1f | "
		"– | – |\n", faults->mean_ns / 1e3, faults->p50_ns / 1e3,
		faults->p99_ns / 1e3);
	print_no_nbd(rp, to);
}

static void print_json_row(const struct remote_row *row, enum remote_who who,
			   FILE *to)
{
	const struct remote_result *r = &row->middle[who];

	fprintf(to, "  { \"read\": \"%s\", \"from\": \"%s\", "
		"\"mean_ns\": %.0f, \"p50_ns\": %.0f, \"p99_ns\": %.0f },\n",
		row->name, who_names[who], r->mean_ns, r->p50_ns, r->p99_ns);
}

void remote_report_json(const struct remote_report *rp, FILE *to)
{
	const struct remote_result *faults = &rp->faults;

	fprintf(to, "{ \"version\": 1, \"results\": [\n");
	for_each(rp, print_json_row, to);
	fprintf(to, "  { \"read\": \"fault at random, inline\", \"from\": "
		"\"memd\", \"mean_ns\": %.0f, \"p50_ns\": %.0f, "
		"\"p99_ns\": %.0f }\n] }\n", faults->mean_ns,
		faults->p50_ns, faults->p99_ns);
}
