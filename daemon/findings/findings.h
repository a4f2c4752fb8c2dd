/* SPDX-License-Identifier: MIT */
/* What may be wrong with the machine or the settings, and its cure.  Each
 * finding is a row of findings_list.h: a topic, and the function that measures
 * it and says it in one text.  `memd --check`, the log, the verdict of
 * `memctl status` and the reason why memd does not start take it from there,
 * so all of them say the same.
 *
 * What is counted while programs are served, faults that starve for example, is
 * the verdict's own. */
#ifndef MEMD_FINDINGS_FINDINGS_H
#define MEMD_FINDINGS_FINDINGS_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include <stdbool.h>

enum { FINDING_TEXT_BYTES = 1024, FINDING_FIELDS_BYTES = 320 };

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_FAIL };

/* Who asks; each row says who asks it. */
enum finding_moment {
	FINDING_CHECK = 1,	/* memd --check, which tries things */
	FINDING_BARE = 2,	/* the same, as far as it needs no settings */
	FINDING_SETTINGS = 4,	/* the log: at the start and each reload, */
	FINDING_STARTED = 8,	/* and once the store is there */
	FINDING_STATUS = 16,	/* the verdict */
};

struct findings_ask;

struct finding_kind {
	const char *topic;
	const char *event;	/* the log's name for it; NULL: not there */
	unsigned moments;
	void (*measure)(struct findings_ask *ask);
};

struct finding {
	const struct finding_kind *kind;
	enum finding_level level;
	const char *text;	/* what is so, and what it costs */
	const char *cure;	/* empty: there is none, or nothing to cure */
	const char *fields;	/* for the log, "setting=tcp_user "; or "" */
};

/* Who asks, and what he knows already. */
struct findings_ask {
	const struct config *config;	/* borrowed; FINDING_BARE: NULL */
	enum finding_moment moment;
	unsigned patience_ms;		/* for each name of a user or group */
	bool is_running;		/* --check: a memd is at the socket */
	int error;			/* not --check: -errno of what memd has
					 * tried: io_uring, userfaultfd, a
					 * group */
	bool is_cached;			/* swap file, for want of O_DIRECT */
	uint64_t io_refused;		/* as in struct swapstore */
	unsigned missing_helpers;
	void (*report)(void *ctx, const struct finding *f);
	void *ctx;

	/* The measuring function's. */
	const struct finding_kind *kind;
	char fields[FINDING_FIELDS_BYTES];
};

enum finding_id {
#define FINDING(name, ...)	FINDING_##name,
#include "daemon/findings/findings_list.h"
#undef FINDING
	FINDINGS
};

/* Report all that those who ask at this moment want to know. */
void findings_ask(struct findings_ask *ask);

/* The same with rows of another room. */
void findings_ask_kinds(struct findings_ask *ask,
			const struct finding_kind *kinds, size_t count);

/* Report this one, whoever asks. */
void findings_ask_one(struct findings_ask *ask, enum finding_id id);

/* Is this one in memd's way (FAIL), which has tried it with the result `err` or
 * will fail with that?  Returns `err`, with a line in ret_reason, or 0. */
int findings_refuse(const struct config *config, enum finding_id id, int err,
		    char *ret_reason, size_t reason_size) MUST_CHECK;

/* A report: log what is not OK. */
void findings_log(void *ctx, const struct finding *f);

/* "topic: text; cure".  Returns buf. */
const char *finding_line(const struct finding *f, char *buf, size_t size);

/* ---- for measuring functions */

#define FINDING(name, ...)	void finding_##name(struct findings_ask *ask);
#include "daemon/findings/findings_list.h"
#undef FINDING

/* Once for each thing found.  The text goes up to the first newline, the cure
 * follows it. */
void finding_say(struct findings_ask *ask, enum finding_level level,
		 const char *format, ...) PRINTF_LIKE(3, 4);
#define finding_ok(ask, ...)	finding_say(ask, FINDING_OK, __VA_ARGS__)
#define finding_warn(ask, ...)	finding_say(ask, FINDING_WARN, __VA_ARGS__)
#define finding_fail(ask, ...)	finding_say(ask, FINDING_FAIL, __VA_ARGS__)

/* Cures that more than one message has. */
#define CURE_TASKS	"raise TasksMax (docker: --pids-limit), or the limit " \
			"of processes (ulimit -u)"
#define CURE_DESCRIPTORS "raise LimitNOFILE (ulimit -Hn)"

/* Descriptors that memd needs. */
enum {
	DESCRIPTORS_OF_SESSION = 4,	/* one of them its socket */
	DESCRIPTORS_OWN = 64,		/* files, ring, pipes, logs … */
	DESCRIPTORS_LEAST = 80,		/* and for the first programs */
};

#endif
