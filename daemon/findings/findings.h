/* SPDX-License-Identifier: MIT */
/* Findings: what may be wrong with the machine or the settings, and what to do
 * about it.  Each finding is a row of findings_list.h: a topic, and a function
 * that checks it and reports it as text.  `memd --check`, the log, the verdict
 * of `memctl status` and the reason why memd does not start all use these
 * texts.
 *
 * Problems that are seen while programs are served, such as faults that starve,
 * are not findings: the verdict has them. */
#ifndef MEMD_FINDINGS_FINDINGS_H
#define MEMD_FINDINGS_FINDINGS_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include <stdbool.h>

enum { FINDING_TEXT_BYTES = 1024, FINDING_FIELDS_BYTES = 320 };

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_FAIL };

/* A bit mask: where a finding is shown.  See the last column of
 * findings_list.h. */
enum finding_moment {
	FINDING_CHECK = 1,	/* memd --check, which may try things */
	FINDING_BARE = 2,	/* memd --check, if the settings are bad */
	FINDING_SETTINGS = 4,	/* the log, at the start and after each
				 * reload */
	FINDING_STARTED = 8,	/* the log, when the store is there */
	FINDING_STATUS = 16,	/* the verdict */
};

struct findings_ask;

struct finding_kind {
	const char *topic;
	const char *event;	/* name of the log event; NULL: not logged */
	unsigned moments;
	void (*measure)(struct findings_ask *ask);
};

struct finding {
	const struct finding_kind *kind;
	enum finding_level level;
	const char *text;	/* what is wrong, and its consequence */
	const char *cure;	/* what to do; empty: nothing */
	const char *fields;	/* more fields for the log, each with a blank
				 * after it; or "" */
};

/* A request for findings, and what the caller already knows. */
struct findings_ask {
	const struct config *config;	/* borrowed; FINDING_BARE: NULL */
	enum finding_moment moment;
	unsigned patience_ms;		/* most time for the look-up of a user
					 * or group */
	bool is_running;		/* --check: a memd is at the socket */
	int error;			/* not --check: result of what memd has
					 * tried (io_uring, userfaultfd, a
					 * group); 0 or -errno */
	bool is_cached;			/* swap files go through the page
					 * cache: no O_DIRECT */
	uint64_t io_refused;		/* as in struct swapstore */
	unsigned missing_helpers;
	void (*report)(void *ctx, const struct finding *f);
	void *ctx;

	/* Set while a finding is checked. */
	const struct finding_kind *kind;
	char fields[FINDING_FIELDS_BYTES];
};

enum finding_id {
#define FINDING(name, ...)	FINDING_##name,
#include "daemon/findings/findings_list.h"
#undef FINDING
	FINDINGS
};

/* Check and report all findings of ask->moment. */
void findings_ask(struct findings_ask *ask);

/* The same with a table of another room. */
void findings_ask_kinds(struct findings_ask *ask,
			const struct finding_kind *kinds, size_t count);

/* Check and report this finding, whatever ask->moment is. */
void findings_ask_one(struct findings_ask *ask, enum finding_id id);

/* Whether this finding is FAIL.  `err` is the result of what memd has tried, or
 * the error to return.  Returns `err` with a line in ret_reason, or 0. */
int findings_refuse(const struct config *config, enum finding_id id, int err,
		    char *ret_reason, size_t reason_size) MUST_CHECK;

/* A report function: logs everything that is not OK. */
void findings_log(void *ctx, const struct finding *f);

/* Write "topic: text; cure".  Returns buf. */
const char *finding_line(const struct finding *f, char *buf, size_t size);

/* ---- for functions that check */

#define FINDING(name, ...)	void finding_##name(struct findings_ask *ask);
#include "daemon/findings/findings_list.h"
#undef FINDING

/* Report one result; may be called several times.  The text ends at the first
 * newline; what to do follows after it. */
void finding_say(struct findings_ask *ask, enum finding_level level,
		 const char *format, ...) PRINTF_LIKE(3, 4);
#define finding_ok(ask, ...)	finding_say(ask, FINDING_OK, __VA_ARGS__)
#define finding_warn(ask, ...)	finding_say(ask, FINDING_WARN, __VA_ARGS__)
#define finding_fail(ask, ...)	finding_say(ask, FINDING_FAIL, __VA_ARGS__)

/* Texts that several findings use. */
#define CURE_TASKS	"raise TasksMax (docker: --pids-limit), or the limit " \
			"of processes (ulimit -u)"
#define CURE_DESCRIPTORS "raise LimitNOFILE (ulimit -Hn)"

/* Numbers of descriptors. */
enum {
	DESCRIPTORS_OF_SESSION = 5,	/* its socket and its bell, and copies
					 * of its userfaultfds and lifeline */
	DESCRIPTORS_OWN = 64,		/* memd's own: files, ring, pipes, logs
					 * … */
	DESCRIPTORS_LEAST = 80,		/* with these memd can serve the first
					 * programs */
};

#endif
