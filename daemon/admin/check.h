/* SPDX-License-Identifier: MIT */
/* `memd --check`: can memd run here, with these settings, as this user?  One
 * line a question: ok, warn or FAIL, and for the latter two what cures it.
 * Changes nothing. */
#ifndef MEMD_ADMIN_CHECK_H
#define MEMD_ADMIN_CHECK_H

#include "daemon/config/config.h"

/* Returns the exit status: 0 when nothing is FAIL, else 1. */
int check_all(const struct config_origin *origin, FILE *to);

#endif
