/* SPDX-License-Identifier: MIT */
/* What all public calls have in common: a call puts its arguments into a
 * command for the library's thread, and returns the command's result and error
 * text. */
#ifndef MEMD_CLIENT_CALL_H
#define MEMD_CLIENT_CALL_H

#include "client/client.h"

#define EXPORT __attribute__((visibility("default")))

/* Check that `mc` exists and is not the parent's.  Every public call except
 * memclient_close() begins with this.  0, or -errno with an error text. */
int call_check(const struct memclient *mc) MUST_CHECK;

/* Take a command for a call, with nothing in it.  Waits until one is free. */
struct command *call_start(struct memclient *mc, enum command_kind kind);

/* Pack the message that the library's thread will send.  The message must fit;
 * the arguments were checked. */
void call_set_body(struct command *c, uint16_t type,
		   const ProtobufCMessage *message);

/* Run the command, and wait until it is done.  On failure keep its error text.
 * Returns its result. */
int call_run(struct memclient *mc, struct command *c) MUST_CHECK;

/* As call_run(), and then release the command. */
int call_finish(struct memclient *mc, struct command *c);

#endif
