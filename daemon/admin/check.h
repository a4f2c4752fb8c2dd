/* SPDX-License-Identifier: MIT */
/* `memd --check`: can memd run here, with these settings, as this user?  Prints
 * one line for each question: ok, warn or FAIL; warn and FAIL also say what to
 * do.  Changes nothing. */
#ifndef MEMD_ADMIN_CHECK_H
#define MEMD_ADMIN_CHECK_H

#include "daemon/config/config.h"

/* Returns the exit status: 0 if nothing is FAIL, else 1. */
int check_all(const struct config_origin *origin, FILE *to);

/* The part about other hosts: can memd listen for them, how long are the
 * certificates valid, does the memd answer that is to keep pages?  Takes at
 * most two seconds for each other memd.  For the host name of listen_tcp it
 * waits as long as the resolver does. */
struct findings_ask;
void check_hosts(struct findings_ask *ask);

#endif
