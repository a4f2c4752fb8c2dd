/* SPDX-License-Identifier: MIT */
/* SIGHUP: read the configuration again, all of it or nothing. */
#ifndef MEMD_DAEMON_RELOAD_H
#define MEMD_DAEMON_RELOAD_H

#include "daemon/findings/findings.h"

struct daemon;

void reload_config(struct daemon *d);

/* Read only the certificates again, with the settings as they are. */
void reload_certificates(struct daemon *d);

/* Say in the log, once a day, how long certificates are good for. */
void reload_say_certificates(struct daemon *d);

/* Make settings that live outside struct config follow it. */
void reload_apply(struct daemon *d);

/* Look for the group of administrators, as long as it is not known whether
 * there is one. */
void reload_find_admins(struct daemon *d);

/* Log what may be wrong with the machine and the settings. */
void reload_warn(const struct daemon *d, enum finding_moment moment);

#endif
