/* SPDX-License-Identifier: MIT */
#include "daemon/findings/findings.h"

#include "common/log.h"
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

static const struct finding_kind all_kinds[FINDINGS] = {
#define FINDING(name, topic, event, moments)				\
	[FINDING_##name] = { topic, event, moments, finding_##name },
#include "daemon/findings/findings_list.h"
#undef FINDING
};

static void finding_measure(struct findings_ask *ask,
			    const struct finding_kind *kind)
{
	ask->kind = kind;
	ask->fields[0] = '\0';
	kind->measure(ask);
}

void findings_ask_kinds(struct findings_ask *ask,
			const struct finding_kind *kinds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((kinds[i].moments & ask->moment) != 0)
			finding_measure(ask, &kinds[i]);
}

void findings_ask(struct findings_ask *ask)
{
	findings_ask_kinds(ask, all_kinds, FINDINGS);
}

void findings_ask_one(struct findings_ask *ask, enum finding_id id)
{
	finding_measure(ask, &all_kinds[id]);
}

void finding_say(struct findings_ask *ask, enum finding_level level,
		 const char *format, ...)
{
	char text[FINDING_TEXT_BYTES];
	struct finding f = { .kind = ask->kind, .level = level, .text = text,
			     .cure = "", .fields = ask->fields };
	char *end;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	end = strchr(text, '\n');
	if (end != NULL) {
		*end = '\0';
		f.cure = end + 1;
	}
	ask->report(ask->ctx, &f);
}

const char *finding_line(const struct finding *f, char *buf, size_t size)
{
	snprintf(buf, size, "%s: %s%s%s", f->kind->topic, f->text,
		 f->cure[0] != '\0' ? "; " : "", f->cure);
	return buf;
}

/* ---- report functions */

struct refusal {
	char *reason;
	size_t size;
	bool is;
};

static void finding_report_refusal(void *ctx, const struct finding *f)
{
	struct refusal *r = ctx;

	if (f->level != FINDING_FAIL)
		return;
	r->is = true;
	(void)finding_line(f, r->reason, r->size);
}

int findings_refuse(const struct config *config, enum finding_id id, int err,
		    char *ret_reason, size_t reason_size)
{
	struct refusal refusal = { ret_reason, reason_size, false };
	struct findings_ask ask = {
		.config = config, .error = err,
		.report = finding_report_refusal, .ctx = &refusal,
	};

	findings_ask_one(&ask, id);
	return refusal.is ? err : 0;
}

/* The log puts this text in quotes, so it must contain none. */
static void finding_copy_unquoted(char to[FINDING_TEXT_BYTES],
				  const char *from)
{
	snprintf(to, FINDING_TEXT_BYTES, "%s", from);
	for (; *to != '\0'; to++)
		if (*to == '"')
			*to = '\'';
		else if (iscntrl((unsigned char)*to))
			*to = '?';
}

void findings_log(void *ctx, const struct finding *f)
{
	char text[FINDING_TEXT_BYTES], cure[FINDING_TEXT_BYTES];

	(void)ctx;
	if (f->level == FINDING_OK)
		return;
	finding_copy_unquoted(text, f->text);
	finding_copy_unquoted(cure, f->cure);
	log_event(LOG_LEVEL_WARNING, f->kind->event,
		  "%sreason=\"%s: %s\"%s%s%s", f->fields, f->kind->topic, text,
		  cure[0] != '\0' ? " cure=\"" : "", cure,
		  cure[0] != '\0' ? "\"" : "");
}
