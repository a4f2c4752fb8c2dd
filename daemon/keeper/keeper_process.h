/* SPDX-License-Identifier: MIT */
/* The keeper's own side of keeper.h, and what the two say to each other over a
 * SOCK_SEQPACKET socket: one struct keeper_message each. */
#ifndef MEMD_KEEPER_KEEPER_PROCESS_H
#define MEMD_KEEPER_KEEPER_PROCESS_H

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

/* Run with this end of the socket until it is closed and nothing has to be
 * kept any more.  Returns the exit status. */
int keeper_process_run(int socket);

#endif
