/* SPDX-License-Identifier: MIT */
/* The main function of the keeper process: see keeper.h and kept.h. */
#ifndef MEMD_KEEPER_KEEPER_PROCESS_H
#define MEMD_KEEPER_KEEPER_PROCESS_H

/* With this flag memd's program runs as the keeper. */
#define KEEPER_FLAG "--keeper"

/* Run until memd has closed its end of `socket` and no copy has to be kept any
 * more.  Returns the exit status. */
int keeper_process_run(int socket);

#endif
