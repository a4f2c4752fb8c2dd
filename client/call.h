/* SPDX-License-Identifier: MIT */
/* What the public calls have in common: each puts its arguments into a command
 * for the library's thread and gives back the result and the text. */
#ifndef MEMD_CLIENT_CALL_H
#define MEMD_CLIENT_CALL_H

#include "client/client.h"

#define EXPORT __attribute__((visibility("default")))

/* Every call but close: not in a child, and with something to work on. */
int call_check(const struct memclient *mc) MUST_CHECK;

/* A command of the caller's, with nothing in it. */
struct command *call_start(struct memclient *mc, enum command_kind kind);

/* Pack the message that the library's thread is to send.  Checked arguments
 * fit. */
void call_set_body(struct command *c, uint16_t type,
		   const ProtobufCMessage *message);

/* Wait until it is done; on failure keep its text.  Returns its result. */
int call_run(struct memclient *mc, struct command *c) MUST_CHECK;

/* The same, and nothing else is wanted of the command. */
int call_finish(struct memclient *mc, struct command *c);

#endif
