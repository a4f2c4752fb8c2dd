/* SPDX-License-Identifier: MIT */
/* The first steps of a link: its host's name is looked up, and its addresses
 * are tried one after the other.
 *
 * A name is looked up anew each time that all addresses have failed, or a
 * connection has broken, for the host may have moved.  If that takes long the
 * addresses that were known are tried meanwhile, and the new ones as soon as
 * they are known; where it fails, the old ones stay. */
#ifndef MEMD_SWAPSTORE_REMOTE_CONNECT_H
#define MEMD_SWAPSTORE_REMOTE_CONNECT_H

#include "swapstore/remote_state.h"

/* From DOWN.  Returns 0 or -errno, with link->reason. */
int remote_connect_begin(struct remote_link *link) MUST_CHECK;

/* In LOOKING and CONNECTING.  Returns 0 (there may be more to do), -EAGAIN
 * (not now), or -errno. */
int remote_connect_look(struct remote_link *link) MUST_CHECK;
int remote_connect_go_on(struct remote_link *link) MUST_CHECK;

/* Have a lookup's answer, if there is one; in any state. */
void remote_connect_adopt(struct remote_link *link);

/* All addresses have failed, or a connection has broken: from the start. */
void remote_connect_rewind(struct remote_link *link);

#endif
