/* SPDX-License-Identifier: MIT */
/* The keeper's own side of keeper.h: a process of its own. */
#ifndef MEMD_KEEPER_KEEPER_PROCESS_H
#define MEMD_KEEPER_KEEPER_PROCESS_H

/* Run with this end of the socket until it is closed and nothing has to be
 * kept any more.  Returns the exit status. */
int keeper_process_run(int socket);

#endif
