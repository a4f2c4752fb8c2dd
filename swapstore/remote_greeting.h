/* SPDX-License-Identifier: MIT */
/* The first messages on a connection to another memd: Hello, and the opening
 * of the store, new or with its token.  What comes when it is open goes on to
 * the link's owner. */
#ifndef MEMD_SWAPSTORE_REMOTE_GREETING_H
#define MEMD_SWAPSTORE_REMOTE_GREETING_H

#include "swapstore/remote_state.h"

/* The connection is made, and secure. */
void remote_greeting_begin(struct remote_link *link);

/* For all messages of a link; its context is the link. */
extern const struct remote_receiver remote_greeting_receiver;

/* An Error: its code (a positive errno), and its text in ret_text.  Returns 0
 * or -EPROTO. */
int remote_greeting_read_error(struct remote_link *link,
			       const struct wire_header *h,
			       const uint8_t *body, int *ret_code,
			       char *ret_text, size_t text_size) MUST_CHECK;

#endif
