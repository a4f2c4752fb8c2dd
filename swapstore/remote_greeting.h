/* SPDX-License-Identifier: MIT */
/* The first messages on a connection to another memd: Hello, and the opening of
 * a store, either a new one or the one of a token.  When the store is open,
 * messages go to the link's owner. */
#ifndef MEMD_SWAPSTORE_REMOTE_GREETING_H
#define MEMD_SWAPSTORE_REMOTE_GREETING_H

#include "swapstore/remote_state.h"

/* The connection is made, and secure: send Hello. */
void remote_greeting_begin(struct remote_link *link);

/* Receives all messages of a link.  Its context is the link. */
extern const struct remote_receiver remote_greeting_receiver;

/* Unpack an Error: its code (a positive errno number), and its text into
 * ret_text.  Returns 0 or -EPROTO. */
int remote_greeting_read_error(struct remote_link *link,
			       const struct wire_header *h,
			       const uint8_t *body, int *ret_code,
			       char *ret_text, size_t text_size) MUST_CHECK;

#endif
