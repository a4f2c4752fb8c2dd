/* SPDX-License-Identifier: MIT */
/* memctl ps: the sessions, shown as ps(1) shows processes; for people those of
 * other hosts, which have no process here, are a table of their own. */
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
	{ NULL, "host", REPORT_TEXT, 0, 0 },
	{ NULL, "peer", REPORT_TEXT, 0, 0 },
	{ NULL, "rtt_ns", REPORT_TIME, 0, 0 },
	{ NULL, "in_bytes_per_s", REPORT_SIZE, 0, 0 },
	{ NULL, "out_bytes_per_s", REPORT_SIZE, 0, 0 },
	{ NULL, "remote_pages", REPORT_NUMBER, 0, 0 },
};

static const struct report_column remote_columns[] = {
	{ "CLIENT", NULL, REPORT_TEXT, REPORT_TRUNCATE, 0 },
	{ "HOST", NULL, REPORT_TEXT, 0, 0 },
	{ "SESSION", NULL, REPORT_NUMBER, 0, 0 },
	{ "USER", NULL, REPORT_TEXT, 0, 0 },
	{ "RTT", NULL, REPORT_TIME, 0, 0 },
	{ "IN/S", NULL, REPORT_SIZE, 0, 0 },
	{ "OUT/S", NULL, REPORT_SIZE, 0, 0 },
	{ "PAGES", NULL, REPORT_NUMBER, 0, 0 },
	{ "VSZ", NULL, REPORT_SIZE, 0, 0 },
	{ "RSS", NULL, REPORT_SIZE, 0, 0 },
	{ "SWAP", NULL, REPORT_SIZE, 0, 0 },
	{ "%POOL", NULL, REPORT_DECIMAL, 0, 0 },
	{ "TIME", NULL, REPORT_TEXT, REPORT_LONG, 0 },
	{ "COMMAND", NULL, REPORT_TEXT, REPORT_TRUNCATE, 0 },
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
	       "share count for each of them.\v"
	       "Below are the clients on other hosts that keep pages here: by "
	       "the name in their certificate, or their address; the "
	       "connection's round-trip time; bytes per second that come from "
	       "them (IN) and go to them (OUT); and the pages held for them.",
};

static double share(uint64_t bytes, uint64_t pool_bytes)
{
	return pool_bytes == 0 ? 0 : (double)bytes * 100 / (double)pool_bytes;
}

static void add_optional(struct report *rp, bool is_known, uint64_t number)
{
	if (is_known)
		report_number(rp, number);
	else
		report_unknown(rp);
}

static void add_remote(struct report *rp, const Memd__SessionInfo *s)
{
	add_optional(rp, s->has_rtt_ns, s->rtt_ns);
	add_optional(rp, s->has_in_bytes_per_s, s->in_bytes_per_s);
	add_optional(rp, s->has_out_bytes_per_s, s->out_bytes_per_s);
	add_optional(rp, s->has_remote_pages, s->remote_pages);
}

static void add_session(struct report *rp, const Memd__SessionInfo *s,
			uint64_t pool_bytes)
{
	char buf[64];

	if (s->host == NULL)
		report_client(rp, s->pid, s->session);
	else
		report_unknown(rp);
	report_session(rp, s->session);
	report_text(rp, text_user(s->uid, buf, sizeof(buf)));
	report_number(rp, s->uid);
	report_number(rp, s->mapped_bytes);
	report_number(rp, s->resident_bytes);
	report_number(rp, s->swapped_bytes);
	report_decimal(rp, share(s->resident_bytes, pool_bytes));
	report_limit(rp, s->limit_frames * FRAME_BYTES);
	report_number(rp, s->faults);
	report_decimal(rp, s->faults_per_s);
	report_text(rp, text_uptime(s->connected_ms, buf, sizeof(buf)));
	report_number(rp, s->connected_ms);
	report_text(rp, s->carrier);
	report_text(rp, s->command);
	report_text(rp, s->carrier);
	report_text(rp, s->host);
	report_text(rp, s->peer);
	add_remote(rp, s);
	report_end_row(rp);
}

static void add_client(struct report *rp, const Memd__SessionInfo *s,
		       uint64_t pool_bytes)
{
	char buf[64];

	report_text(rp, s->peer != NULL ? s->peer : s->host);
	report_text(rp, s->host);
	report_session(rp, s->session);
	report_text(rp, text_user(s->uid, buf, sizeof(buf)));
	add_remote(rp, s);
	report_number(rp, s->mapped_bytes);
	report_number(rp, s->resident_bytes);
	report_number(rp, s->swapped_bytes);
	report_decimal(rp, share(s->resident_bytes, pool_bytes));
	report_text(rp, text_uptime(s->connected_ms, buf, sizeof(buf)));
	report_text(rp, s->command);
	report_end_row(rp);
}

/* For programs all, for people those of this host.  Returns an exit code. */
static int print_sessions(const struct memctl *mc,
			  const Memd__SessionsReply *sessions)
{
	bool has_all = mc->style.format != REPORT_TABLE;
	struct report *rp = report_create(REPORT_ROWS, "ps", columns,
					  ARRAY_SIZE(columns), &mc->style);

	for (size_t i = 0; rp != NULL && i < sessions->n_session; i++)
		if (has_all || sessions->session[i]->host == NULL)
			add_session(rp, sessions->session[i],
				    sessions->pool_bytes);
	return memctl_finish(rp);
}

/* For people, those of other hosts.  Returns an exit code. */
static int print_clients(const struct memctl *mc,
			 const Memd__SessionsReply *sessions)
{
	struct report *rp = report_create(REPORT_ROWS, "clients",
					  remote_columns,
					  ARRAY_SIZE(remote_columns),
					  &mc->style);

	for (size_t i = 0; rp != NULL && i < sessions->n_session; i++)
		if (sessions->session[i]->host != NULL)
			add_client(rp, sessions->session[i],
				   sessions->pool_bytes);
	putchar('\n');
	return memctl_finish(rp);
}

static bool has_clients(const Memd__SessionsReply *sessions)
{
	for (size_t i = 0; i < sessions->n_session; i++)
		if (sessions->session[i]->host != NULL)
			return true;
	return false;
}

int cmd_ps(struct memctl *mc, int argc, char **argv)
{
	compare_fn compare = compare_pid;
	ProtobufCMessage *reply;
	Memd__SessionsReply *sessions;
	int code;

	memctl_parse(mc, &ps_argp, argc, argv, &compare);
	code = memctl_ask(mc, ASK_SESSIONS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	sessions = (Memd__SessionsReply *)reply;
	if (sessions->n_session > 0)
		qsort(sessions->session, sessions->n_session,
		      sizeof(*sessions->session), compare);
	code = print_sessions(mc, sessions);
	if (code == EXIT_CODE_OK && mc->style.format == REPORT_TABLE &&
	    has_clients(sessions))
		code = print_clients(mc, sessions);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
