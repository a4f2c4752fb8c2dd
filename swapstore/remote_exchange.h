/* SPDX-License-Identifier: MIT */
/* The exchange of a store_remote with the server: requests and answers while
 * the link is UP. */
#ifndef MEMD_SWAPSTORE_REMOTE_EXCHANGE_H
#define MEMD_SWAPSTORE_REMOTE_EXCHANGE_H

#include "swapstore/remote_request.h"

/* The ops of the link.  Their context is the store. */
extern const struct remote_link_ops remote_exchange_ops;

/* The read is STAGED: copy the slots that the buffer has.  It becomes READING,
 * or DONE if nothing must be asked for. */
void remote_exchange_read(struct store_remote *sr, struct remote_request *rq);

/* Put writes that are ADMITTING into the buffer, as far as there is room. */
void remote_exchange_admit(struct store_remote *sr);

/* The store is a mirror's and its link is down: end all reads with
 * -ENOTCONN. */
void remote_exchange_fail_reads(struct store_remote *sr);

#endif
