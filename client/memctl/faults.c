/* SPDX-License-Identifier: MIT */
/* memctl faults: how many of each kind, and how long they took. */
#include "client/memctl/memctl.h"

#include "client/memctl/text.h"
#include <string.h>

enum { BAR_WIDTH = 40 };

static const struct argp_option options[] = {
	{ "histogram", 'H', NULL, 0,
	  "Show how the times of each kind are distributed", 1 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	bool *wants_histogram = state->input;

	(void)text;
	if (key != 'H')
		return ARGP_ERR_UNKNOWN;
	*wants_histogram = true;
	return 0;
}

static const struct argp faults_argp = {
	.options = options,
	.parser = parse,
	.doc = "Show faults by kind with their times: minor (in the pool, "
	       "mapped by the client alone), zero (first touch), hit (in the "
	       "pool, memd was asked), swap_in (read from the swap file), "
	       "put_back (caught on its way out), lost (its bytes are gone).",
};

static const struct report_column columns[] = {
	{ "KIND", "kind", REPORT_TEXT, 0, 0 },
	{ "COUNT", "count", REPORT_NUMBER, 0, 0 },
	{ NULL, "sum_ns", REPORT_TIME, 0, 0 },
	{ "MEAN", "mean_ns", REPORT_TIME, 0, 0 },
	{ "P50", "p50_ns", REPORT_TIME, 0, 0 },
	{ "P99", "p99_ns", REPORT_TIME, 0, 0 },
	{ "P99.9", "p999_ns", REPORT_TIME, 0, 0 },
	{ "MAX", "max_ns", REPORT_TIME, 0, 0 },
};

static const struct report_column histogram_columns[] = {
	{ "KIND", "kind", REPORT_TEXT, 0, 0 },
	{ "FROM", "from_ns", REPORT_TIME, 0, 0 },
	{ "COUNT", "count", REPORT_NUMBER, 0, 0 },
	{ "%", NULL, REPORT_DECIMAL, 0, 0 },
	{ "SHARE", NULL, REPORT_TEXT, REPORT_TRUNCATE, 0 },
};

static void add_kind(struct report *rp, const Memd__FaultKind *kind)
{
	report_text(rp, kind->kind);
	report_number(rp, kind->count);
	report_number(rp, kind->sum_ns);
	if (kind->count == 0) {		/* none has taken any time */
		for (int i = 0; i < 5; i++)
			report_unknown(rp);
	} else {
		report_number(rp, kind->sum_ns / kind->count);
		report_number(rp, kind->p50_ns);
		report_number(rp, kind->p99_ns);
		report_number(rp, kind->p999_ns);
		report_number(rp, kind->max_ns);
	}
	report_end_row(rp);
}

/* A bar as long as the bucket's share of its kind's largest bucket. */
static void add_bar(struct report *rp, uint64_t count, uint64_t largest)
{
	char bar[BAR_WIDTH + 1];
	size_t length = (size_t)((double)count * BAR_WIDTH / (double)largest);

	length = MIN(MAX(length, 1), BAR_WIDTH);
	memset(bar, '#', length);
	bar[length] = '\0';
	report_text(rp, bar);
}

static void add_buckets(struct report *rp, const Memd__FaultKind *kind)
{
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
		add_bar(rp, n, largest);
		report_end_row(rp);
	}
}

int cmd_faults(struct memctl *mc, int argc, char **argv)
{
	bool wants_histogram = false;
	ProtobufCMessage *reply;
	const Memd__FaultStatsReply *stats;
	struct report *rp;
	int code;

	memctl_parse(mc, &faults_argp, argc, argv, &wants_histogram);
	code = memctl_ask(mc, ASK_FAULT_STATS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	stats = (const Memd__FaultStatsReply *)reply;
	if (wants_histogram)
		rp = report_create(REPORT_ROWS, "histogram", histogram_columns,
				   ARRAY_SIZE(histogram_columns), &mc->style);
	else
		rp = report_create(REPORT_ROWS, "faults", columns,
				   ARRAY_SIZE(columns), &mc->style);
	for (size_t i = 0; rp != NULL && i < stats->n_kind; i++) {
		if (wants_histogram)
			add_buckets(rp, stats->kind[i]);
		else
			add_kind(rp, stats->kind[i]);
	}
	code = memctl_finish(rp);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
