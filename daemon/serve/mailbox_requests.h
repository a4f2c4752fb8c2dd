/* SPDX-License-Identifier: MIT */
/* What is asked in mailboxes; mailbox.h has the rest of them. */
#ifndef MEMD_SERVE_MAILBOX_REQUESTS_H
#define MEMD_SERVE_MAILBOX_REQUESTS_H

struct serve;

/* Look into all that are awake, a bit into each.  Returns how many requests
 * were there. */
unsigned mailboxes_poll(struct serve *sv);

#endif
