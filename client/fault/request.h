/* SPDX-License-Identifier: MIT */
/* Calls: a command becomes a message, and the reply becomes the command's
 * result.  Threads: the library's thread. */
#ifndef MEMD_CLIENT_FAULT_REQUEST_H
#define MEMD_CLIENT_FAULT_REQUEST_H

#include "client/fault/touched.h"
#include "client/link/command.h"
#include "client/link/session.h"
#include "client/region/space.h"

struct requests {
	struct space *space;
	struct session *session;
	struct commands *commands;
	struct touched *touched;
	unsigned call_count;	/* commands taken and not finished */
};

/* Take a command that needs the daemon.  It ends with request_finish(), perhaps
 * before this returns. */
void request_take(struct requests *rq, struct command *c);

/* Take a reply.  `id` is of kind REQUEST_COMMAND or REQUEST_ATTACH. */
void request_take_ok(struct requests *rq, uint64_t id);
void request_take_error(struct requests *rq, uint64_t id, int error,
			const char *text);
void request_take_stats(struct requests *rq, uint64_t id,
			const Memd__SessionStatsReply *reply);

/* The command that waits for the reply `id`; NULL: none (any more). */
struct command *request_waiting(struct requests *rq, uint64_t id);

void request_finish(struct requests *rq, struct command *c, int result,
		    const char *text);

/* Send what could not be sent; end what is too late. */
void request_run(struct requests *rq);

/* The link went down: commands that were sent get no reply, and all pins have
 * ended. */
void request_fail_sent(struct requests *rq);

/* The process was stopped for lost_ns: move all deadlines by that. */
void request_postpone(struct requests *rq, uint64_t lost_ns);

/* When request_run() must be called again; UINT64_MAX: never. */
uint64_t request_next_ns(struct requests *rq);

#endif
