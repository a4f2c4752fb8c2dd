/* SPDX-License-Identifier: MIT */
/* memctl: what the subcommands share.  Each subcommand is one file with one
 * function, cmd_NAME(); main.c has the table of them. */
#ifndef MEMD_MEMCTL_MEMCTL_H
#define MEMD_MEMCTL_MEMCTL_H

#include "client/memctl/connection.h"
#include "client/memctl/report.h"
#include "common/checks.h"
#include <argp.h>
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

/* The options every subcommand takes, before its name or after it. */
struct memctl {
	const char *address;		/* --socket; NULL: the default */
	struct report_style style;	/* --output, --bytes, --long */
	uint32_t timeout_ms;
	bool has_timeout;		/* --timeout was given */
	int command_idx;		/* (main.c) where the command stands */
};

/* Those of every command, and those of commands that print tables. */
extern const struct argp memctl_common_argp, memctl_table_argp;

/* Parse the arguments of a subcommand: its own options in `argp` (input:
 * `own`), and the common ones.  argv[0] must be "memctl NAME".  Like
 * argp_parse(), prints help and usage errors and then ends the program. */
void memctl_parse(struct memctl *mc, const struct argp *argp, int argc,
		  char **argv, void *own);

/* The same for subcommands that print no table: without --bytes, --long. */
void memctl_parse_plain(struct memctl *mc, const struct argp *argp, int argc,
			char **argv, void *own);

/* A client of memd's as the command line names it: its process (1201), or its
 * session (s12), which has no process here where that is in another pid
 * namespace or on another host.  One of the two is 0; both: none was named. */
struct client_name {
	uint32_t pid, session;
};

/* For option parsers: a size, a count > 0, a client, the ID of a store; else a
 * usage error. */
uint64_t memctl_parse_size(struct argp_state *state, const char *text);
uint64_t memctl_parse_count(struct argp_state *state, const char *text);
struct client_name memctl_parse_client(struct argp_state *state,
				       const char *text);
uint32_t memctl_parse_store(struct argp_state *state, const char *text);

/* A time of which a bare number is seconds: 2, 0.5 or 1min.  False: it is none.
 */
bool memctl_parse_seconds(const char *text, uint64_t *ret_ms) MUST_CHECK;

/* The subcommands that take one optional or required client and nothing else on
 * the command line share this: the first argument goes to *client. */
error_t memctl_parse_client_argument(int key, char *text,
				     struct argp_state *state,
				     struct client_name *client);

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

/* The same for Status, again and again for wait_ms (0: for ever) until memd
 * answers; at once when that cannot come about by itself.  Returns
 * EXIT_CODE_NOT_READY when the time is over. */
int memctl_await_status(const struct memctl *mc, uint64_t wait_ms,
			ProtobufCMessage **ret_reply) MUST_CHECK;

struct command {
	const char *name;
	const char *arguments;	/* for the list in `memctl help` */
	const char *summary;
	int (*run)(struct memctl *mc, int argc, char **argv);
};

/* Ends with a row whose name is NULL. */
extern const struct command memctl_commands[];

/* NULL: no such command. */
const struct command *memctl_find_command(const char *name);

int cmd_status(struct memctl *mc, int argc, char **argv);
int cmd_ps(struct memctl *mc, int argc, char **argv);
int cmd_segments(struct memctl *mc, int argc, char **argv);
int cmd_maps(struct memctl *mc, int argc, char **argv);
int cmd_stores(struct memctl *mc, int argc, char **argv);
int cmd_stats(struct memctl *mc, int argc, char **argv);
int cmd_iostat(struct memctl *mc, int argc, char **argv);
int cmd_faults(struct memctl *mc, int argc, char **argv);
int cmd_trace(struct memctl *mc, int argc, char **argv);
int cmd_replay(struct memctl *mc, int argc, char **argv);
int cmd_disconnect(struct memctl *mc, int argc, char **argv);
int cmd_unlink(struct memctl *mc, int argc, char **argv);
int cmd_evict(struct memctl *mc, int argc, char **argv);
int cmd_drop_guest(struct memctl *mc, int argc, char **argv);
int cmd_limit(struct memctl *mc, int argc, char **argv);
int cmd_config(struct memctl *mc, int argc, char **argv);
int cmd_doctor(struct memctl *mc, int argc, char **argv);
int cmd_help(struct memctl *mc, int argc, char **argv);
int cmd_version(struct memctl *mc, int argc, char **argv);

#endif
