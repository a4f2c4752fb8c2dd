/* SPDX-License-Identifier: MIT */
#include "daemon/net/certificates.h"

#include "daemon/system/system.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400 };

int64_t certificate_days_left(const struct channel_end *end)
{
	int64_t left_s = end->until_s - (int64_t)time(NULL);

	return left_s >= 0 ? left_s / DAY_S : -((-left_s - 1) / DAY_S + 1);
}

static const char *format_day(int64_t at_s, char buf[32])
{
	time_t at = (time_t)at_s;
	struct tm tm = { 0 };

	strftime(buf, 32, "%F", gmtime_r(&at, &tm));
	return buf;
}

/* Write "tls_crl: the list of 'name' "; return its length. */
static size_t certificate_begin(const struct channel_end *end, char *text)
{
	char name[CHANNEL_NAME_BYTES];
	bool is_list = strcmp(end->setting, "tls_crl") == 0;

	snprintf(text, CERTIFICATE_TEXT_BYTES, "%s: %s'%s' ", end->setting,
		 is_list ? "the list of " : "",
		 system_printable(end->name, name, sizeof(name)));
	return strlen(text);
}

enum finding_level certificate_judge(const struct channel_end *end,
				     char ret_text[CERTIFICATE_TEXT_BYTES])
{
	size_t used = certificate_begin(end, ret_text);
	char *to = ret_text + used, day[32];
	size_t size = CERTIFICATE_TEXT_BYTES - used;
	int64_t now_s = time(NULL), days = certificate_days_left(end);

	if (now_s < end->from_s) {
		snprintf(to, size, "is not good before %s: are the clocks "
			 "right?", format_day(end->from_s, day));
		return FINDING_FAIL;
	}
	if (now_s >= end->until_s) {
		snprintf(to, size, "ended on %s, and new connections are "
			 "refused: put a new one there and reload",
			 format_day(end->until_s, day));
		return FINDING_FAIL;
	}
	if (end->until_s == INT64_MAX) {
		snprintf(to, size, "has no end");
		return FINDING_OK;
	}
	if (days < CERTIFICATES_WARN_DAYS) {
		snprintf(to, size, "ends in %" PRId64 " day%s, on %s: put a "
			 "new one there and reload", days,
			 days == 1 ? "" : "s", format_day(end->until_s, day));
		return FINDING_WARN;
	}
	snprintf(to, size, "is good for %" PRId64 " days, until %s", days,
		 format_day(end->until_s, day));
	return FINDING_OK;
}

/* Root often runs --check for a memd that runs as user memd, so that user may
 * own the key, too. */
static void certificates_say_owner(struct findings_ask *ask,
				   const struct channel_context *context)
{
	uid_t owner = channel_context_key_owner(context), memd;
	gid_t gid;

	if (owner == 0 || owner == geteuid() ||
	    (system_find_user("memd", &memd, &gid) == 0 && owner == memd))
		return;
	finding_warn(ask, "tls_key: the key belongs to uid %u, who can be this "
		     "memd with it\nchown it to the user that memd runs as, or "
		     "to root", (unsigned)owner);
}

/* ---- a reload */

static bool is_bad(const struct channel_end *ends, unsigned count,
		   const char *setting, char text[CERTIFICATE_TEXT_BYTES])
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(ends[i].setting, setting) == 0)
			return certificate_judge(&ends[i], text) ==
			       FINDING_FAIL;
	return false;
}

/* A file that is bad already must not prevent the others from being replaced,
 * for example a new revocation list. */
int certificates_check(const struct channel_context *now,
		       const struct channel_context *next, char *ret_reason,
		       size_t reason_size)
{
	struct channel_end old[CHANNEL_ENDS], new[CHANNEL_ENDS];
	char text[CERTIFICATE_TEXT_BYTES], ignored[CERTIFICATE_TEXT_BYTES];
	unsigned old_count, new_count;

	if (next == NULL)
		return 0;
	old_count = now == NULL ? 0 : channel_context_ends(now, old);
	new_count = channel_context_ends(next, new);
	for (unsigned i = 0; i < new_count; i++) {
		if (certificate_judge(&new[i], text) != FINDING_FAIL ||
		    is_bad(old, old_count, new[i].setting, ignored))
			continue;
		snprintf(ret_reason, reason_size, "%s", text);
		return -EINVAL;
	}
	return 0;
}

/* ---- findings */

void certificates_say(struct findings_ask *ask,
		      const struct channel_context *tls)
{
	static const struct finding_kind
		ends_kind = { "certificates", "certificate-ends", 0, NULL },
		owner_kind = { "certificates", "key-owner", 0, NULL };
	struct channel_end ends[CHANNEL_ENDS];
	unsigned count = tls == NULL ? 0 : channel_context_ends(tls, ends);

	ask->kind = &ends_kind;
	for (unsigned i = 0; i < count; i++) {
		char text[CERTIFICATE_TEXT_BYTES];
		enum finding_level level = certificate_judge(&ends[i], text);

		snprintf(ask->fields, sizeof(ask->fields), "days=%" PRId64 " ",
			 certificate_days_left(&ends[i]));
		finding_say(ask, level, "%s", text);
	}
	ask->kind = &owner_kind;
	ask->fields[0] = '\0';
	if (count > 0)
		certificates_say_owner(ask, tls);
}

void certificates_log(const struct channel_context *tls)
{
	struct findings_ask ask = { .report = findings_log };

	certificates_say(&ask, tls);
}
