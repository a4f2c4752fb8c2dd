/* SPDX-License-Identifier: MIT */
/* SIGHUP: read the configuration and the certificates again, and use all of it
 * or nothing. */
#ifndef MEMD_DAEMON_RELOAD_H
#define MEMD_DAEMON_RELOAD_H

#include "daemon/findings/findings.h"

struct daemon;

void reload_config(struct daemon *d);

/* Read only the certificates again, with the present settings. */
void reload_certificates(struct daemon *d);

/* Log once a day how long the certificates are valid. */
void reload_say_certificates(struct daemon *d);

/* Apply settings that also live outside struct config: the log level, the group
 * of administrators.  Logs findings. */
void reload_apply(struct daemon *d);

/* Ask again for the group of administrators, if the answer is still awaited. */
void reload_find_admins(struct daemon *d);

/* Log the findings of this moment.  An embedded memd logs none. */
void reload_warn(const struct daemon *d, enum finding_moment moment);

#endif
