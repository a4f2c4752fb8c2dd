/* SPDX-License-Identifier: MIT */
/* Calls, on the library's thread: a command becomes a message, and the reply
 * to it the command's result.  Part of the handler. */
#ifndef MEMD_CLIENT_FAULT_REQUEST_H
#define MEMD_CLIENT_FAULT_REQUEST_H

#include "client/client.h"

/* A command was taken.  It ends in handler_finish(), perhaps before this
 * returns. */
void request_take(struct memclient *mc, struct command *c);

/* The replies.  `id` is of kind REQUEST_COMMAND or REQUEST_ATTACH. */
void request_take_ok(struct memclient *mc, uint64_t id);
void request_take_error(struct memclient *mc, uint64_t id,
			const Memd__Error *error);
void request_take_segment(struct memclient *mc, uint64_t id,
			  const Memd__SegmentReply *reply);
void request_take_stats(struct memclient *mc, uint64_t id,
			const Memd__SessionStatsReply *reply);

/* Undo what a SegmentReply said. */
void request_detach(struct memclient *mc, uint32_t segment);

/* Send what could not be sent; end what is too late. */
void request_run(struct memclient *mc);

/* The link went down: what has been sent will not be answered, and pins have
 * ended. */
void request_fail_sent(struct memclient *mc);

/* For so long nobody could do anything: all deadlines are later. */
void request_postpone(struct memclient *mc, uint64_t lost_ns);

/* When request_run() must be called again, UINT64_MAX if never. */
uint64_t request_next_ns(struct memclient *mc);

#endif
