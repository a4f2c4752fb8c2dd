/* SPDX-License-Identifier: MIT */
/* memctl faults: the number of faults of each kind, and how long they took. */
#include "client/memctl/verbs.h"

#include <string.h>

enum { BAR_WIDTH = 40 };

/* If there are no faults of a kind, their times are unknown. */
static void faults_add_time(struct report *rp, const void *message)
{
	const Memd__FaultKind *kind = message;

	if (kind->count == 0)
		report_unknown(rp);
	else
		report_field(rp, message);
}

static void faults_add_mean(struct report *rp, const void *message)
{
	const Memd__FaultKind *kind = message;

	if (kind->count == 0)
		report_unknown(rp);
	else
		report_number(rp, kind->sum_ns / kind->count);
}

static const struct report_column faults_columns[] = {
	COLUMN("KIND", "kind", TEXT),
	COLUMN("COUNT", "count", NUMBER),
	COLUMN(NULL, "sum_ns", TIME),
	COLUMN("MEAN", "mean_ns", TIME, .add = faults_add_mean),
	COLUMN("P50", "p50_ns", TIME, .add = faults_add_time),
	COLUMN("P99", "p99_ns", TIME, .add = faults_add_time),
	COLUMN("P99.9", "p999_ns", TIME, .add = faults_add_time),
	COLUMN("MAX", "max_ns", TIME, .add = faults_add_time),
};

static const struct view faults_view = {
	.form = REPORT_FORM(ROWS, "faults", faults_columns),
	.rows = "kind",
};

/* ---- distribution of the times */

static const struct report_column histogram_columns[] = {
	COLUMN("KIND", "kind", TEXT),
	COLUMN("FROM", "from_ns", TIME),
	COLUMN("COUNT", "count", NUMBER),
	COLUMN("%", NULL, DECIMAL),
	COLUMN("SHARE", NULL, TEXT, .flags = REPORT_TRUNCATE),
};

/* Add a bar: the bucket's count relative to the largest bucket of its kind. */
static void faults_add_bar(struct report *rp, uint64_t count, uint64_t largest)
{
	char bar[BAR_WIDTH + 1];
	size_t length = (size_t)((double)count * BAR_WIDTH / (double)largest);

	length = MIN(MAX(length, 1), BAR_WIDTH);
	memset(bar, '#', length);
	bar[length] = '\0';
	report_text(rp, bar);
}

static void faults_add_buckets(struct report *rp, const void *row)
{
	const Memd__FaultKind *kind = row;
	size_t count = MIN(kind->n_bucket_floor_ns, kind->n_bucket_count);
	uint64_t largest = 1, sum = 0;

	for (size_t i = 0; i < count; i++) {
		largest = MAX(largest, kind->bucket_count[i]);
		sum += kind->bucket_count[i];
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t n = kind->bucket_count[i];

		if (n == 0)
			continue;
		report_text(rp, kind->kind);
		report_number(rp, kind->bucket_floor_ns[i]);
		report_number(rp, n);
		report_decimal(rp, (double)n * 100 / (double)sum);
		faults_add_bar(rp, n, largest);
		report_end_row(rp);
	}
}

static const struct view histogram_view = {
	.form = REPORT_FORM(ROWS, "histogram", histogram_columns),
	.rows = "kind", .add = faults_add_buckets,
};

/* ---- the command */

static const struct argp_option faults_options[] = {
	{ "histogram", 'H', NULL, 0,
	  "Show how the times of each kind are distributed", 1 },
	{ 0 },
};

static void faults_take(struct memctl *mc, struct argp_state *state, int key,
			char *text)
{
	(void)state;
	(void)text;
	if (key == 'H')
		mc->view = &histogram_view;
}

const struct verb verb_faults = {
	.name = "faults", .summary = "faults by kind, with latencies",
	.help = "Show faults by kind with their times: minor (in the pool, "
		"mapped by the client alone), zero (first touch), hit (in the "
		"pool, memd was asked), swap_in (read from swap), "
		"put_back (caught on its way out), lost (its bytes are gone).",
	.options = faults_options, .take = faults_take,
	.question = ASK_FAULT_STATS, .view = &faults_view,
};
