/* SPDX-License-Identifier: MIT */
/* memctl status: one screen that says whether memd is well, why not, and what
 * to do. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"
#include "common/units.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>

enum {
	BAR_WIDTH = 30, CERTIFICATES_MAX = 8, CERTIFICATE_BYTES = 384,
	KEY_WAIT = 0x200, WAIT_DEFAULT_MS = 60000,
};

struct wish {
	bool does_check, does_wait;
	uint64_t wait_ms;
};

static const struct argp_option options[] = {
	{ "check", 'c', NULL, 0,
	  "Exit with 3 when memd warns and 4 when it is degraded", 1 },
	{ "wait", KEY_WAIT, "SECONDS", OPTION_ARG_OPTIONAL,
	  "Wait until memd answers, at most so long (a minute; 0: for ever); "
	  "exit with 8 when it does not", 1 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct wish *wish = state->input;

	switch (key) {
	case 'c':
		wish->does_check = true;
		return 0;
	case KEY_WAIT:
		wish->does_wait = true;
		wish->wait_ms = WAIT_DEFAULT_MS;
		if (text != NULL && !memctl_parse_seconds(text,
							  &wish->wait_ms))
			argp_error(state, "'%s' is no time: say 2, 0.5 or "
				   "1min", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp status_argp = {
	.options = options,
	.parser = parse,
	.doc = "Show whether memd is well (ok, warn, degraded), why not and "
	       "what to do, and how full pool and swap file are.",
};

static const struct report_column columns[] = {
	{ NULL, "verdict", REPORT_TEXT, 0, 0 },
	{ NULL, "reason", REPORT_LIST, 0, 0 },
	{ NULL, "server", REPORT_TEXT, 0, 0 },
	{ NULL, "pid", REPORT_NUMBER, 0, 0 },
	{ NULL, "uptime_ms", REPORT_NUMBER, 0, 0 },
	{ NULL, "page_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "pool_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "pool_free_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "pool_resident_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "pool_evicting_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "pool_loading_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "pool_pinned_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "low_watermark_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "high_watermark_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "swap_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "swap_free_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "swap_quarantined_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "swap_file", REPORT_TEXT, 0, 0 },
	{ NULL, "store", REPORT_TEXT, 0, 0 },
	{ NULL, "store_reason", REPORT_TEXT, 0, 0 },
	{ NULL, "committed_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "commit_limit_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "sessions", REPORT_NUMBER, 0, 0 },
	{ NULL, "segments", REPORT_NUMBER, 0, 0 },
	{ NULL, "metadata_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "metadata_percent", REPORT_DECIMAL, 0, 0 },
	{ NULL, "faults", REPORT_NUMBER, 0, 0 },
	{ NULL, "pages_lost", REPORT_NUMBER, 0, 0 },
	{ NULL, "config_file", REPORT_TEXT, 0, 0 },
	{ NULL, "remote_clients", REPORT_NUMBER, 0, 0 },
	{ NULL, "remote_away", REPORT_NUMBER, 0, 0 },
	{ NULL, "remote_pages", REPORT_NUMBER, 0, 0 },
	{ NULL, "listening", REPORT_LIST, 0, 0 },
	{ NULL, "listening_tls", REPORT_FLAG, 0, 0 },
	{ NULL, "certificates", REPORT_LIST, 0, 0 },
	{ NULL, "certificates_until_s", REPORT_NUMBER, 0, 0 },
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (double)part * 100 / (double)whole;
}

/* The tables of the pager, relative to all memory it could hand out. */
static double metadata_percent(const Memd__StatusReply *st)
{
	return percent(st->metadata_bytes,
		       (st->pool_frames + st->slot_count) * st->page_bytes);
}

/* An optional text, or NULL where it is absent or empty. */
static const char *present(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : text;
}

/* ------------------------------------------------------------ for programs */

/* As one string, a line each; NULL: none, or no memory. */
static char *join(char *const *text, size_t count)
{
	size_t size = 1;
	char *list, *end;

	for (size_t i = 0; i < count; i++)
		size += strlen(text[i]) + 1;
	list = count == 0 ? NULL : malloc(size);
	if (list == NULL)
		return NULL;
	end = list;
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*end++ = '\n';
		end = stpcpy(end, text_clean(text[i]));
	}
	return list;
}

static bool add_list(struct report *rp, char *const *text, size_t count)
{
	char *list = join(text, count);
	bool has_memory = list != NULL || count == 0;

	report_text(rp, list);
	free(list);
	return has_memory;
}

static void add_optional(struct report *rp, bool is_known, uint64_t number)
{
	if (is_known)
		report_number(rp, number);
	else
		report_unknown(rp);
}

static void add_pool(struct report *rp, const Memd__StatusReply *st)
{
	const uint64_t unit = st->page_bytes;

	report_number(rp, st->pool_frames * unit);
	report_number(rp, st->free_frames * unit);
	report_number(rp, st->resident_frames * unit);
	report_number(rp, st->evicting_frames * unit);
	report_number(rp, st->loading_frames * unit);
	report_number(rp, st->pinned_frames * unit);
	add_optional(rp, st->has_low_watermark_frames,
		     st->low_watermark_frames * unit);
	add_optional(rp, st->has_high_watermark_frames,
		     st->high_watermark_frames * unit);
}

static void add_swap(struct report *rp, const Memd__StatusReply *st)
{
	const uint64_t unit = st->page_bytes;

	report_number(rp, st->slot_count * unit);
	report_number(rp, st->free_slots * unit);
	report_number(rp, st->quarantined_slots * unit);
	report_text(rp, present(st->swap_file));
	report_text(rp, st->store);
	report_text(rp, present(st->store_reason));
	report_number(rp, st->committed_pages * unit);
	report_number(rp, st->commit_limit_pages * unit);
}

/* How long a certificate is still good, in words.  Returns buf. */
static const char *certificate_text(const Memd__CertificateInfo *info,
				    char buf[CERTIFICATE_BYTES])
{
	time_t until = (time_t)info->until_s;
	struct tm tm = { 0 };
	char day[32] = "?";

	if (gmtime_r(&until, &tm) != NULL)
		strftime(day, sizeof(day), "%F", &tm);
	if (info->until_s == INT64_MAX)
		snprintf(buf, CERTIFICATE_BYTES, "%.32s %.256s: no end",
			 info->setting, info->name);
	else if (info->days_left < 0)
		snprintf(buf, CERTIFICATE_BYTES, "%.32s %.256s: ended on %s",
			 info->setting, info->name, day);
	else
		snprintf(buf, CERTIFICATE_BYTES, "%.32s %.256s: %" PRId64
			 " days left, until %s", info->setting, info->name,
			 info->days_left, day);
	return text_clean(buf);
}

/* False: no memory. */
static bool add_certificates(struct report *rp, const Memd__StatusReply *st)
{
	char text[CERTIFICATES_MAX][CERTIFICATE_BYTES];
	char *list[CERTIFICATES_MAX] = { NULL };
	size_t count = MIN(st->n_certificate, (size_t)CERTIFICATES_MAX);
	int64_t first_s = INT64_MAX;

	for (size_t i = 0; i < count; i++) {
		(void)certificate_text(st->certificate[i], text[i]);
		list[i] = text[i];
		first_s = MIN(first_s, st->certificate[i]->until_s);
	}
	if (!add_list(rp, list, count))
		return false;
	add_optional(rp, first_s >= 0 && first_s != INT64_MAX,
		     (uint64_t)first_s);
	return true;
}

/* False: no memory. */
static bool add_all(struct report *rp, const Memd__StatusReply *st)
{
	bool has_memory;

	report_text(rp, st->verdict);
	has_memory = add_list(rp, st->reason, st->n_reason);
	report_text(rp, st->server);
	report_number(rp, st->pid);
	report_number(rp, st->uptime_ms);
	report_number(rp, st->page_bytes);
	add_pool(rp, st);
	add_swap(rp, st);
	report_number(rp, st->sessions);
	report_number(rp, st->segments);
	report_number(rp, st->metadata_bytes);
	report_decimal(rp, metadata_percent(st));
	report_number(rp, st->faults);
	report_number(rp, st->pages_lost);
	report_text(rp, present(st->config_file));
	add_optional(rp, st->has_remote_clients, st->remote_clients);
	add_optional(rp, st->has_remote_away, st->remote_away);
	add_optional(rp, st->has_remote_pages, st->remote_pages);
	has_memory &= add_list(rp, st->listening, st->n_listening);
	report_flag(rp, st->has_listening_tls && st->listening_tls);
	has_memory &= add_certificates(rp, st);
	report_end_row(rp);
	return has_memory;
}

static int print_record(const struct memctl *mc, const Memd__StatusReply *st)
{
	struct report *rp = report_create(REPORT_RECORD, "status", columns,
					  ARRAY_SIZE(columns), &mc->style);

	if (rp != NULL && !add_all(rp, st)) {
		report_destroy(rp);
		rp = NULL;
	}
	return memctl_finish(rp);
}

/* --------------------------------------------------------------- for people */

static const char *size(const struct memctl *mc, uint64_t bytes, char buf[32])
{
	if (mc->style.exact_bytes)
		snprintf(buf, 32, "%" PRIu64, bytes);
	else
		units_format_size(bytes, buf, 32);
	return buf;
}

static void print_bar(const struct memctl *mc, const char *label,
		      uint64_t used, uint64_t whole)
{
	char bar[BAR_WIDTH + 1], a[32], b[32];
	double share = percent(used, whole);
	int filled = (int)(MIN(share, 100.0) * BAR_WIDTH / 100 + 0.5);

	if (used > 0 && filled == 0)
		filled = 1;
	memset(bar, '-', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	printf("%-10s[%s] %5.1f %% of %s, %s free\n", label, bar, share,
	       size(mc, whole, a), size(mc, whole - MIN(used, whole), b));
}

static void print_verdict(const Memd__StatusReply *st)
{
	const char *colour = "\033[32m", *plain = "\033[0m";

	if (strcmp(st->verdict, "warn") == 0)
		colour = "\033[33m";
	else if (strcmp(st->verdict, "ok") != 0)
		colour = "\033[31m";
	if (!text_wants_colour())
		colour = plain = "";
	printf("verdict   %s%s%s\n", colour, text_clean(st->verdict), plain);
	for (size_t i = 0; i < st->n_reason; i++)
		printf("          %s\n", text_clean(st->reason[i]));
	putchar('\n');
}

static void print_pool(const struct memctl *mc, const Memd__StatusReply *st)
{
	const uint64_t unit = st->page_bytes;
	uint64_t free_frames = MIN(st->free_frames, st->pool_frames);
	char a[32], b[32], c[32], d[32];

	print_bar(mc, "pool", (st->pool_frames - free_frames) * unit,
		  st->pool_frames * unit);
	printf("          resident %s, pinned %s, evicting %s, loading %s\n",
	       size(mc, st->resident_frames * unit, a),
	       size(mc, st->pinned_frames * unit, b),
	       size(mc, st->evicting_frames * unit, c),
	       size(mc, st->loading_frames * unit, d));
}

static void print_swap(const struct memctl *mc, const Memd__StatusReply *st)
{
	const uint64_t unit = st->page_bytes;
	uint64_t free_slots = MIN(st->free_slots, st->slot_count);
	char buf[32];

	if (st->slot_count == 0) {
		printf("swap      none\n");
		return;
	}
	print_bar(mc, "swap", (st->slot_count - free_slots) * unit,
		  st->slot_count * unit);
	printf("          quarantined %s%s%s\n",
	       size(mc, st->quarantined_slots * unit, buf),
	       present(st->swap_file) != NULL ? ", in " : "",
	       present(st->swap_file) != NULL ? text_clean(st->swap_file) : "");
}

/* Where memd listens for other hosts. */
static void print_remote(const struct memctl *mc, const Memd__StatusReply *st)
{
	char buf[32];

	if (!st->has_remote_clients)
		return;
	printf("remote    %" PRIu64 " clients, ", st->remote_clients);
	if (st->remote_away != 0)
		printf("%" PRIu64 " away, ", st->remote_away);
	printf("%" PRIu64 " pages held (%s)\n", st->remote_pages,
	       size(mc, st->remote_pages * st->page_bytes, buf));
}

static void print_listening(const Memd__StatusReply *st)
{
	for (size_t i = 0; i < st->n_listening; i++) {
		const char *text = text_clean(st->listening[i]);
		bool is_tcp = strncmp(text, "tcp:", 4) == 0;

		printf("%-9s %s%s\n", i == 0 ? "listening" : "", text,
		       !is_tcp || !st->has_listening_tls ? "" :
		       st->listening_tls ? ", with TLS" : ", without TLS");
	}
}

static void print_certificates(const Memd__StatusReply *st)
{
	char text[CERTIFICATE_BYTES];

	for (size_t i = 0; i < st->n_certificate; i++)
		printf("%-9s %s\n", i == 0 ? "tls" : "",
		       certificate_text(st->certificate[i], text));
}

static void print_rest(const struct memctl *mc, const Memd__StatusReply *st)
{
	char buf[32];

	printf("store     %s", text_clean(st->store));
	if (present(st->store_reason) != NULL)
		printf(": %s", text_clean(st->store_reason));
	printf("\nclients   %" PRIu64 " sessions, %" PRIu64 " segments\n",
	       st->sessions, st->segments);
	print_remote(mc, st);
	print_listening(st);
	print_certificates(st);
	printf("faults    %" PRIu64 ", pages lost %" PRIu64 "\n", st->faults,
	       st->pages_lost);
	printf("metadata  %s, %.2f %% of the memory managed\n",
	       size(mc, st->metadata_bytes, buf), metadata_percent(st));
	if (present(st->config_file) != NULL)
		printf("config    %s\n", text_clean(st->config_file));
}

static void print_screen(const struct memctl *mc, const Memd__StatusReply *st)
{
	char shown[CONNECTION_SHOWN_BYTES], buf[32];

	connection_show_address(mc->address, shown);
	printf("%s, pid %u, up %s, at %s\n\n", text_clean(st->server), st->pid,
	       text_uptime(st->uptime_ms, buf, sizeof(buf)), shown);
	print_verdict(st);
	print_pool(mc, st);
	print_swap(mc, st);
	print_bar(mc, "committed", st->committed_pages * st->page_bytes,
		  st->commit_limit_pages * st->page_bytes);
	print_rest(mc, st);
}

static int exit_code_of(const Memd__StatusReply *st)
{
	if (strcmp(st->verdict, "ok") == 0)
		return EXIT_CODE_OK;
	if (strcmp(st->verdict, "warn") == 0)
		return EXIT_CODE_WARN;
	return EXIT_CODE_DEGRADED;
}

int cmd_status(struct memctl *mc, int argc, char **argv)
{
	struct wish wish = { 0 };
	ProtobufCMessage *reply;
	const Memd__StatusReply *st;
	int code;

	memctl_parse(mc, &status_argp, argc, argv, &wish);
	code = wish.does_wait ?
		memctl_await_status(mc, wish.wait_ms, &reply) :
		memctl_ask(mc, ASK_STATUS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	st = (const Memd__StatusReply *)reply;
	if (mc->style.format == REPORT_TABLE)
		print_screen(mc, st);
	else
		code = print_record(mc, st);
	if (code == EXIT_CODE_OK && wish.does_check)
		code = exit_code_of(st);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
