/* SPDX-License-Identifier: MIT */
/* One run of memctl: the command line, memd's answer, and the exit code.
 * verbs.h has the commands. */
#ifndef MEMD_MEMCTL_MEMCTL_H
#define MEMD_MEMCTL_MEMCTL_H

#include "client/memctl/connection.h"
#include "client/memctl/report.h"
#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

/* Exit codes; memctl(1) documents them.  `doctor` also returns those of `memd
 * --check`. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,		/* any other failure */
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_WARN = 3,		/* status --check */
	EXIT_CODE_DEGRADED = 4,		/* status --check */
	/* Not there, gone, silent, or not memd. */
	EXIT_CODE_NO_DAEMON = 5,
	EXIT_CODE_DENIED = 6,
	EXIT_CODE_NOT_FOUND = 7,	/* process, session, segment, key */
	EXIT_CODE_NOT_READY = 8,	/* status --wait */
};

enum { MEMCTL_TIMEOUT_DEFAULT_MS = 10000 };

struct memctl {
	/* Options of every verb, before or after its name. */
	const char *address;		/* --socket; NULL: the default */
	struct report_style style;	/* --output, --bytes, --long */
	uint32_t timeout_ms;
	bool has_timeout;		/* --timeout was given */

	/* Set for the verb; verb.c owns the memory. */
	const struct verb *verb;
	const struct view *view;	/* verb->view, or chosen by an option */
	/* Field to sort by; NULL: the view's order. */
	const char *order;
	char **argument;		/* arguments that are no options */
	unsigned argument_count;
	/* Options of the verb: verb->wish_bytes. */
	void *wish;
	void *request, *reply;		/* messages, or NULL */
};

/* Print "memctl: TEXT" to stderr. */
void memctl_complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* Print a failure and return its exit code. */
int memctl_fail(const struct failure *failure);

/* Print the content of a report, and destroy it.  NULL: it could not be
 * created.  Returns an exit code; a failure was printed. */
int memctl_finish(struct report *rp) MUST_CHECK;

/* Connect; the caller closes.  Returns an exit code; a failure was printed. */
int memctl_connect(const struct memctl *mc, struct connection **ret_c)
	MUST_CHECK;

/* Connect, ask one question, and close.  The caller frees *ret_reply (NULL if
 * the answer has no body) with protobuf_c_message_free_unpacked().  Returns an
 * exit code; a failure was printed. */
int memctl_ask(const struct memctl *mc, enum connection_question question,
	       const ProtobufCMessage *request, ProtobufCMessage **ret_reply)
	MUST_CHECK;

#endif
