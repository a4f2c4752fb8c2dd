/* SPDX-License-Identifier: MIT */
/* What memd and the keeper say to each other over a SOCK_SEQPACKET socket: one
 * of these each. */
#ifndef MEMD_KEEPER_KEEPER_MESSAGE_H
#define MEMD_KEEPER_KEEPER_MESSAGE_H

#include <stdint.h>

enum keeper_kind {
	KEEPER_KEEP = 1,	/* to it, with the descriptor */
	KEEPER_ENDED,		/* to it: ask whether the memory is gone */
	KEEPER_DROP,		/* to it: close it */
	KEEPER_GONE,		/* from it: closed, the memory is gone */
	KEEPER_LACKS,		/* from it: no room for the descriptor */
};

struct keeper_message {
	uint64_t serial;
	uint32_t kind;
	uint32_t uid;		/* whose it is */
};

#endif
