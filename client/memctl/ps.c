/* SPDX-License-Identifier: MIT */
/* memctl ps: the sessions, shown as ps(1) shows processes. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"
#include <inttypes.h>
#include <string.h>

static const struct report_column columns[] = {
	{ "PID", "pid", REPORT_NUMBER, 0, 0 },
	{ "SESSION", "session", REPORT_NUMBER, REPORT_LONG, 0 },
	{ "USER", "user", REPORT_TEXT, 0, 0 },
	{ NULL, "uid", REPORT_NUMBER, 0, 0 },
	{ "VSZ", "mapped_bytes", REPORT_SIZE, 0, 0 },
	{ "RSS", "resident_bytes", REPORT_SIZE, 0, 0 },
	{ "SWAP", "swapped_bytes", REPORT_SIZE, 0, 0 },
	{ "%POOL", "pool_percent", REPORT_DECIMAL, 0, 0 },
	{ "LIMIT", "limit_bytes", REPORT_SIZE, REPORT_LONG, 0 },
	{ "FAULTS", "faults", REPORT_NUMBER, REPORT_LONG, 0 },
	{ "FAULTS/s", "faults_per_s", REPORT_DECIMAL, 0, 0 },
	{ "TIME", NULL, REPORT_TEXT, REPORT_LONG, 0 },
	{ NULL, "connected_ms", REPORT_NUMBER, 0, 0 },
	{ "CARRIER", NULL, REPORT_TEXT, REPORT_LONG, 0 },
	{ "COMMAND", "command", REPORT_TEXT, REPORT_TRUNCATE, 0 },
	{ NULL, "carrier", REPORT_TEXT, 0, 0 },
};

enum { FRAME_BYTES = 4096 };	/* limits are counted in these */

typedef int (*compare_fn)(const void *, const void *);

static const Memd__SessionInfo *session_at(const void *element)
{
	return *(Memd__SessionInfo *const *)element;
}

#define COMPARE(a, b)	(((a) > (b)) - ((a) < (b)))

/* Sessions of one process are in the order in which they came. */
static int compare_pid(const void *a, const void *b)
{
	const Memd__SessionInfo *x = session_at(a), *y = session_at(b);

	if (x->pid != y->pid)
		return COMPARE(x->pid, y->pid);
	return COMPARE(x->session, y->session);
}

/* The other orders: the largest first, equal ones by process. */
#define DEFINE_COMPARE(name, field)					\
	static int compare_##name(const void *a, const void *b)		\
	{								\
		const Memd__SessionInfo *x = session_at(a);		\
		const Memd__SessionInfo *y = session_at(b);		\
		int order = COMPARE(y->field, x->field);		\
									\
		return order != 0 ? order : compare_pid(a, b);		\
	}
DEFINE_COMPARE(vsz, mapped_bytes)
DEFINE_COMPARE(rss, resident_bytes)
DEFINE_COMPARE(swap, swapped_bytes)
DEFINE_COMPARE(faults, faults)
DEFINE_COMPARE(rate, faults_per_s)

static const struct {
	const char *name;
	compare_fn compare;
} orders[] = {
	{ "pid", compare_pid }, { "vsz", compare_vsz }, { "rss", compare_rss },
	{ "swap", compare_swap }, { "faults", compare_faults },
	{ "rate", compare_rate },
};

static const struct argp_option options[] = {
	{ "sort", 'k', "KEY", 0,
	  "Sort by pid (default), vsz, rss, swap, faults or rate", 1 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	compare_fn *compare = state->input;

	if (key != 'k')
		return ARGP_ERR_UNKNOWN;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		if (strcmp(text, orders[i].name) == 0) {
			*compare = orders[i].compare;
			return 0;
		}
	argp_error(state, "cannot sort by '%s': pid, vsz, rss, swap, faults or "
		   "rate", text);
	return EINVAL;
}

static const struct argp ps_argp = {
	.options = options,
	.parser = parse,
	.doc = "Show the processes that memd serves: memory mapped (VSZ), in "
	       "the pool (RSS) and in the swap file (SWAP), the share of the "
	       "pool, and faults per second.  Pages that several processes "
	       "share count for each of them.",
};

static void add_session(struct report *rp, const Memd__SessionInfo *s,
			uint64_t pool_bytes)
{
	char buf[64];

	report_number(rp, s->pid);
	report_number(rp, s->session);
	report_text(rp, text_user(s->uid, buf, sizeof(buf)));
	report_number(rp, s->uid);
	report_number(rp, s->mapped_bytes);
	report_number(rp, s->resident_bytes);
	report_number(rp, s->swapped_bytes);
	report_decimal(rp, pool_bytes == 0 ? 0 : (double)s->resident_bytes *
		       100 / (double)pool_bytes);
	report_limit(rp, s->limit_frames * FRAME_BYTES);
	report_number(rp, s->faults);
	report_decimal(rp, s->faults_per_s);
	report_text(rp, text_uptime(s->connected_ms, buf, sizeof(buf)));
	report_number(rp, s->connected_ms);
	report_text(rp, s->carrier);
	report_text(rp, s->command);
	report_text(rp, s->carrier);
	report_end_row(rp);
}

int cmd_ps(struct memctl *mc, int argc, char **argv)
{
	compare_fn compare = compare_pid;
	ProtobufCMessage *reply;
	Memd__SessionsReply *sessions;
	struct report *rp;
	int code;

	memctl_parse(mc, &ps_argp, argc, argv, &compare);
	code = memctl_ask(mc, ASK_SESSIONS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	sessions = (Memd__SessionsReply *)reply;
	if (sessions->n_session > 0)
		qsort(sessions->session, sessions->n_session,
		      sizeof(*sessions->session), compare);
	rp = report_create(REPORT_ROWS, "ps", columns, ARRAY_SIZE(columns),
			   &mc->style);
	for (size_t i = 0; rp != NULL && i < sessions->n_session; i++)
		add_session(rp, sessions->session[i], sessions->pool_bytes);
	code = memctl_finish(rp);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
