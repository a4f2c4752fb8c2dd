/* SPDX-License-Identifier: MIT */
/* `memd --check`: can memd run here, with these settings, as this user?  One
 * line a question: ok, warn or FAIL, and for the latter two what cures it.
 * Changes nothing. */
#ifndef MEMD_ADMIN_CHECK_H
#define MEMD_ADMIN_CHECK_H

#include "daemon/config/config.h"

/* Returns the exit status: 0 when nothing is FAIL, else 1. */
int check_all(const struct config_origin *origin, FILE *to);

/* The part that is about other hosts: can they be listened for, how long are
 * the certificates good for, does the memd answer that is to keep pages?  Takes
 * two seconds at most for each other memd, and for the name of listen_tcp as
 * long as its resolver does. */
struct findings_ask;
void check_hosts(struct findings_ask *ask);

#endif
