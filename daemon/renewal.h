/* SPDX-License-Identifier: MIT */
/* New certificates for an embedded memd.  It gets no signal to reload, so it
 * checks whether its files have been replaced. */
#ifndef MEMD_DAEMON_RENEWAL_H
#define MEMD_DAEMON_RENEWAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct config;

enum { RENEWAL_FILES = 4 };

/* The identity of the files when they were last read, or when that was
 * tried. */
struct renewal {
	struct renewal_file {
		dev_t dev;
		ino_t ino;
		off_t length;
		struct timespec written, changed;
	} file[RENEWAL_FILES];
};

/* Call before the files are read for the first time. */
void renewal_init(struct renewal *r, const struct config *config);

/* Call once a second: has any of the files been replaced? */
bool renewal_is_due(struct renewal *r, const struct config *config);

#endif
