/* SPDX-License-Identifier: MIT */
/* The messages between memd and the keeper, on a SOCK_SEQPACKET socket. */
#ifndef MEMD_KEEPER_KEEPER_MESSAGE_H
#define MEMD_KEEPER_KEEPER_MESSAGE_H

#include <stdint.h>

enum keeper_kind {
	KEEPER_KEEP = 1,	/* to the keeper: keep the descriptors that come
				 * with this */
	KEEPER_ENDED,		/* to the keeper: ask whether its memory is
				 * gone */
	KEEPER_DROP,		/* to the keeper: close it */
	KEEPER_GONE,		/* from the keeper: it is closed, its memory is
				 * gone */
	KEEPER_LACKS,		/* from the keeper: no room for the
				 * descriptor */
};

struct keeper_message {
	uint64_t serial;
	uint32_t kind;
	uint32_t uid;		/* of the client */
};

#endif
