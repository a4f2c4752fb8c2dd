/* SPDX-License-Identifier: MIT */
/* The main function of the keeper process: see keeper.h and kept.h. */
#ifndef MEMD_KEEPER_KEEPER_PROCESS_H
#define MEMD_KEEPER_KEEPER_PROCESS_H

/* Run until memd has closed its end of `socket` and no copy has to be kept any
 * more.  Returns the exit status. */
int keeper_process_run(int socket);

#endif
