/* SPDX-License-Identifier: MIT */
/* The first steps of a link: look up the host's name, and try its addresses one
 * after the other.
 *
 * The name is looked up again each time that all addresses have failed or a
 * connection has broken, because the host may have moved.  If the lookup takes
 * long, the old addresses are tried meanwhile, and the new ones as soon as they
 * are known.  If the lookup fails, the old addresses stay. */
#ifndef MEMD_SWAPSTORE_REMOTE_CONNECT_H
#define MEMD_SWAPSTORE_REMOTE_CONNECT_H

#include "swapstore/remote_state.h"

/* In state DOWN.  Returns 0, or -errno with link->reason. */
int remote_connect_begin(struct remote_link *link) MUST_CHECK;

/* In states LOOKING (look) and CONNECTING (go_on).  Returns 0 (there may be
 * more to do), -EAGAIN (not now), or -errno. */
int remote_connect_look(struct remote_link *link) MUST_CHECK;
int remote_connect_go_on(struct remote_link *link) MUST_CHECK;

/* Take the result of a lookup, if there is one.  In any state. */
void remote_connect_adopt(struct remote_link *link);

/* All addresses have failed, or a connection has broken: start again with the
 * first address, after a new lookup. */
void remote_connect_rewind(struct remote_link *link);

#endif
