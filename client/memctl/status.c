/* SPDX-License-Identifier: MIT */
/* memctl status: one screen that says whether memd is well, and if not, why and
 * what to do. */
#include "client/memctl/verbs.h"

#include "client/memctl/await.h"
#include "client/memctl/text.h"
#include "common/units.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	BAR_WIDTH = 30, CERTIFICATES_MAX = 8, CERTIFICATE_BYTES = 384,
	KEY_WAIT = OPTIONS_KEY_OWN, WAIT_DEFAULT_MS = 60000,
};

static double status_percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (double)part * 100 / (double)whole;
}

/* The memory of the pager's tables, relative to all memory that it can give
 * out. */
static double status_metadata_percent(const Memd__StatusReply *st)
{
	return status_percent(st->metadata_bytes, st->page_bytes *
			      (st->pool_frames + st->slot_count));
}

/* ------------------------------------------------------------ for programs */

/* Say how long a certificate is still valid.  Returns buf. */
static const char *status_certificate_text(const Memd__CertificateInfo *info,
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

static void status_add_certificates(struct report *rp, const void *message)
{
	const Memd__StatusReply *st = message;
	char text[CERTIFICATES_MAX][CERTIFICATE_BYTES];
	char *list[CERTIFICATES_MAX] = { NULL };
	size_t count = MIN(st->n_certificate, (size_t)CERTIFICATES_MAX);

	for (size_t i = 0; i < count; i++) {
		(void)status_certificate_text(st->certificate[i], text[i]);
		list[i] = text[i];
	}
	report_list(rp, list, count);
}

static void status_add_until(struct report *rp, const void *message)
{
	const Memd__StatusReply *st = message;
	int64_t first_s = INT64_MAX;

	for (size_t i = 0; i < st->n_certificate; i++)
		first_s = MIN(first_s, st->certificate[i]->until_s);
	if (first_s >= 0 && first_s != INT64_MAX)
		report_number(rp, (uint64_t)first_s);
	else
		report_unknown(rp);
}

static void status_add_metadata(struct report *rp, const void *message)
{
	report_decimal(rp, status_metadata_percent(message));
}

#define UNITS(key_, field_)						\
	COLUMN(NULL, key_, SIZE, .field = (field_), .flags = REPORT_UNITS)

static const struct report_column status_columns[] = {
	COLUMN(NULL, "verdict", TEXT),
	COLUMN(NULL, "reason", LIST),
	COLUMN(NULL, "server", TEXT),
	COLUMN(NULL, "pid", NUMBER),
	COLUMN(NULL, "uptime_ms", NUMBER),
	COLUMN(NULL, "page_bytes", SIZE),
	UNITS("pool_bytes", "pool_frames"),
	UNITS("pool_free_bytes", "free_frames"),
	UNITS("pool_resident_bytes", "resident_frames"),
	UNITS("pool_evicting_bytes", "evicting_frames"),
	UNITS("pool_loading_bytes", "loading_frames"),
	UNITS("pool_pinned_bytes", "pinned_frames"),
	UNITS("low_watermark_bytes", "low_watermark_frames"),
	UNITS("high_watermark_bytes", "high_watermark_frames"),
	UNITS("swap_bytes", "slot_count"),
	UNITS("swap_free_bytes", "free_slots"),
	UNITS("swap_quarantined_bytes", "quarantined_slots"),
	COLUMN(NULL, "swap_dir", TEXT),
	UNITS("swap_files_bytes", "file_slots"),
	COLUMN(NULL, "store", TEXT),
	COLUMN(NULL, "store_reason", TEXT),
	UNITS("committed_bytes", "committed_pages"),
	UNITS("commit_limit_bytes", "commit_limit_pages"),
	COLUMN(NULL, "sessions", NUMBER),
	COLUMN(NULL, "segments", NUMBER),
	COLUMN(NULL, "metadata_bytes", SIZE),
	COLUMN(NULL, "metadata_percent", DECIMAL, .add = status_add_metadata),
	COLUMN(NULL, "faults", NUMBER),
	COLUMN(NULL, "pages_lost", NUMBER),
	COLUMN(NULL, "config_file", TEXT),
	COLUMN(NULL, "guests_connected", NUMBER),
	COLUMN(NULL, "guests_away", NUMBER),
	COLUMN(NULL, "guest_pages", NUMBER),
	COLUMN(NULL, "listening", LIST),
	COLUMN(NULL, "listening_tls", FLAG),
	COLUMN(NULL, "certificates", LIST, .add = status_add_certificates),
	COLUMN(NULL, "certificates_until_s", NUMBER, .add = status_add_until),
};

static const struct view status_view = {
	.form = REPORT_FORM(RECORD, "status", status_columns),
};

/* --------------------------------------------------------------- for people */

static const char *status_size(const struct memctl *mc, uint64_t bytes,
			       char buf[32])
{
	if (mc->style.exact_bytes)
		snprintf(buf, 32, "%" PRIu64, bytes);
	else
		units_format_size(bytes, buf, 32);
	return buf;
}

static void status_print_bar(const struct memctl *mc, const char *label,
			     uint64_t used, uint64_t whole)
{
	char bar[BAR_WIDTH + 1], a[32], b[32];
	double share = status_percent(used, whole);
	int filled = (int)(MIN(share, 100.0) * BAR_WIDTH / 100 + 0.5);

	if (used > 0 && filled == 0)
		filled = 1;
	memset(bar, '-', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	printf("%-10s[%s] %5.1f %% of %s, %s free\n", label, bar, share,
	       status_size(mc, whole, a),
	       status_size(mc, whole - MIN(used, whole), b));
}

/* Print an optional text behind `before`. */
static void status_print_text(const char *before, char *text)
{
	if (text != NULL && text[0] != '\0')
		printf("%s%s", before, text_clean(text));
}

static void status_print_verdict(const Memd__StatusReply *st)
{
	const char *colour = strcmp(st->verdict, "ok") == 0 ? "\033[32m" :
			     strcmp(st->verdict, "warn") == 0 ? "\033[33m" :
								"\033[31m";
	bool is_coloured = text_wants_colour();

	printf("verdict   %s%s%s\n", is_coloured ? colour : "",
	       text_clean(st->verdict), is_coloured ? "\033[0m" : "");
	for (size_t i = 0; i < st->n_reason; i++)
		printf("          %s\n", text_clean(st->reason[i]));
	putchar('\n');
}

static void status_print_memory(const struct memctl *mc)
{
	const Memd__StatusReply *st = mc->reply;
	const uint64_t unit = st->page_bytes;
	char a[32], b[32], c[32], d[32];

	status_print_bar(mc, "pool", unit * (st->pool_frames -
			 MIN(st->free_frames, st->pool_frames)),
			 unit * st->pool_frames);
	printf("          resident %s, pinned %s, evicting %s, loading %s\n",
	       status_size(mc, st->resident_frames * unit, a),
	       status_size(mc, st->pinned_frames * unit, b),
	       status_size(mc, st->evicting_frames * unit, c),
	       status_size(mc, st->loading_frames * unit, d));
	if (st->slot_count == 0) {
		printf("swap      none\n");
	} else {
		status_print_bar(mc, "swap", unit * (st->slot_count -
				 MIN(st->free_slots, st->slot_count)),
				 unit * st->slot_count);
		printf("          quarantined %s",
		       status_size(mc, st->quarantined_slots * unit, a));
		if (st->has_file_slots)
			printf(", files %s", status_size(mc, unit *
							 st->file_slots, b));
		status_print_text(", in ", st->swap_dir);
		putchar('\n');
	}
	status_print_bar(mc, "committed", unit * st->committed_pages,
			 unit * st->commit_limit_pages);
}

/* Print the guests, if memd listens for other hosts. */
static void status_print_guests(const struct memctl *mc)
{
	const Memd__StatusReply *st = mc->reply;
	char buf[32];

	if (!st->has_guests_connected)
		return;
	printf("guests    %" PRIu64 " connected, ", st->guests_connected);
	if (st->guests_away != 0)
		printf("%" PRIu64 " away, ", st->guests_away);
	printf("%" PRIu64 " pages held (%s)\n", st->guest_pages,
	       status_size(mc, st->guest_pages * st->page_bytes, buf));
}

static void status_print_listening(const Memd__StatusReply *st)
{
	char text[CERTIFICATE_BYTES];

	for (size_t i = 0; i < st->n_listening; i++) {
		const char *where = text_clean(st->listening[i]);
		bool is_tcp = strncmp(where, "tcp:", 4) == 0;

		printf("%-9s %s%s\n", i == 0 ? "listening" : "", where,
		       !is_tcp || !st->has_listening_tls ? "" :
		       st->listening_tls ? ", with TLS" : ", without TLS");
	}
	for (size_t i = 0; i < st->n_certificate; i++)
		printf("%-9s %s\n", i == 0 ? "tls" : "",
		       status_certificate_text(st->certificate[i], text));
}

static int status_say(const struct memctl *mc)
{
	const Memd__StatusReply *st = mc->reply;
	char shown[CONNECTION_SHOWN_BYTES], buf[32];

	connection_show_address(mc->address, shown);
	printf("%s, pid %u, up %s, at %s\n\n", text_clean(st->server), st->pid,
	       text_uptime(st->uptime_ms, buf, sizeof(buf)), shown);
	status_print_verdict(st);
	status_print_memory(mc);
	printf("store     %s", text_clean(st->store));
	status_print_text(": ", st->store_reason);
	printf("\nclients   %" PRIu64 " sessions, %" PRIu64 " segments\n",
	       st->sessions, st->segments);
	status_print_guests(mc);
	status_print_listening(st);
	printf("faults    %" PRIu64 ", pages lost %" PRIu64 "\n", st->faults,
	       st->pages_lost);
	printf("metadata  %s, %.2f %% of the memory managed",
	       status_size(mc, st->metadata_bytes, buf),
	       status_metadata_percent(st));
	status_print_text("\nconfig    ", st->config_file);
	putchar('\n');
	return EXIT_CODE_OK;
}

/* ------------------------------------------------------------- the command */

struct status_wish {
	bool does_check, does_wait;
	uint64_t wait_ms;
};

static const struct argp_option status_options[] = {
	{ "check", 'c', NULL, 0,
	  "Exit with 3 when memd warns and 4 when it is degraded", 1 },
	{ "wait", KEY_WAIT, "SECONDS", OPTION_ARG_OPTIONAL,
	  "Wait until memd answers, at most so long (a minute; 0: for ever); "
	  "exit with 8 when it does not", 1 },
	{ 0 },
};

static void status_take(struct memctl *mc, struct argp_state *state, int key,
			char *text)
{
	struct status_wish *wish = mc->wish;

	if (key == 'c')
		wish->does_check = true;
	if (key != KEY_WAIT)
		return;
	wish->does_wait = true;
	wish->wait_ms = WAIT_DEFAULT_MS;
	if (text != NULL && !options_parse_seconds(text, &wish->wait_ms))
		argp_error(state, "'%s' is no time: say 2, 0.5 or 1min", text);
}

static int status_run(struct memctl *mc)
{
	const struct status_wish *wish = mc->wish;
	const Memd__StatusReply *st;
	ProtobufCMessage *reply = NULL;
	int code = wish->does_wait ? await_status(mc, wish->wait_ms, &reply) :
				     memctl_ask(mc, ASK_STATUS, NULL, &reply);

	mc->reply = reply;
	if (code == EXIT_CODE_OK)
		code = verb_print(mc);
	if (code != EXIT_CODE_OK || !wish->does_check)
		return code;
	st = mc->reply;
	return strcmp(st->verdict, "ok") == 0 ? EXIT_CODE_OK :
	       strcmp(st->verdict, "warn") == 0 ? EXIT_CODE_WARN :
						  EXIT_CODE_DEGRADED;
}

const struct verb verb_status = {
	.name = "status", .summary = "is memd well, why not, what to do",
	.help = "Show whether memd is well (ok, warn, degraded), why not and "
		"what to do, and how full pool and swap are.",
	.options = status_options, .take = status_take,
	.wish_bytes = sizeof(struct status_wish),
	.view = &status_view, .say = status_say, .run = status_run,
};
