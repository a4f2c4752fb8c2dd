/* SPDX-License-Identifier: MIT */
/* SIGHUP: read the configuration again, all of it or nothing. */
#ifndef MEMD_DAEMON_RELOAD_H
#define MEMD_DAEMON_RELOAD_H

struct daemon;

void reload_config(struct daemon *d);

/* Make settings that live outside struct config follow it. */
void reload_apply(struct daemon *d);

/* Log variables of the environment that look like settings misspelt. */
void reload_warn_environment(const struct daemon *d);

#endif
