/* SPDX-License-Identifier: MIT */
/* What a store_remote asks the server, and what becomes of the answers. */
#ifndef MEMD_SWAPSTORE_REMOTE_EXCHANGE_H
#define MEMD_SWAPSTORE_REMOTE_EXCHANGE_H

#include "swapstore/remote_request.h"

/* Of a link whose context is the store. */
extern const struct remote_link_ops remote_exchange_ops;

/* A read that is STAGED: copy what the buffer has of it.  Goes on to READING,
 * or to DONE where nothing is left to be asked for. */
void remote_exchange_read(struct store_remote *sr, struct remote_request *rq);

/* Take writes that are ADMITTING into the buffer, as far as there is room. */
void remote_exchange_admit(struct store_remote *sr);

/* Of a mirror's, whose link is down: end all reads, -ENOTCONN. */
void remote_exchange_fail_reads(struct store_remote *sr);

#endif
