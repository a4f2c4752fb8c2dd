/* SPDX-License-Identifier: MIT */
/* One run of memctl: what the command line said, what memd answered, and how
 * the program ends.  What there is to be done is in verbs.h. */
#ifndef MEMD_MEMCTL_MEMCTL_H
#define MEMD_MEMCTL_MEMCTL_H

#include "client/memctl/connection.h"
#include "client/memctl/report.h"
#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

/* Exit codes; memctl(1) is their reference.  `doctor` has besides those of
 * `memd --check`. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,		/* anything without a number below */
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_WARN = 3,		/* status --check */
	EXIT_CODE_DEGRADED = 4,		/* status --check */
	EXIT_CODE_NO_DAEMON = 5,	/* not there, gone, silent, not memd */
	EXIT_CODE_DENIED = 6,
	EXIT_CODE_NOT_FOUND = 7,	/* process, session, segment, key */
	EXIT_CODE_NOT_READY = 8,	/* status --wait */
};

enum { MEMCTL_TIMEOUT_DEFAULT_MS = 10000 };

struct memctl {
	/* The options that every verb takes, before its name or after it. */
	const char *address;		/* --socket; NULL: the default */
	struct report_style style;	/* --output, --bytes, --long */
	uint32_t timeout_ms;
	bool has_timeout;		/* --timeout was given */

	/* Of the verb; verb.c owns what is pointed to. */
	const struct verb *verb;
	const struct view *view;	/* verb->view, or an option's */
	const char *order;		/* the field sorted by; NULL: view's */
	char **argument;		/* that are no options */
	unsigned argument_count;
	void *wish;			/* its own options: verb->wish_bytes */
	void *request, *reply;		/* messages, or NULL */
};

/* Print "memctl: TEXT" to stderr. */
void memctl_complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* Print a failure and return its exit code. */
int memctl_fail(const struct failure *failure);

/* Print what a report holds and destroy it.  NULL: it could not be created.
 * Returns an exit code; failures have been printed. */
int memctl_finish(struct report *rp) MUST_CHECK;

/* Connect; the caller closes.  Returns an exit code; failures have been
 * printed. */
int memctl_connect(const struct memctl *mc, struct connection **ret_c)
	MUST_CHECK;

/* Connect, ask one question, close.  *ret_reply (NULL for replies without a
 * body) is for protobuf_c_message_free_unpacked().  Returns an exit code;
 * failures have been printed. */
int memctl_ask(const struct memctl *mc, enum connection_question question,
	       const ProtobufCMessage *request, ProtobufCMessage **ret_reply)
	MUST_CHECK;

#endif
