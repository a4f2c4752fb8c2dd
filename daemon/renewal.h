/* SPDX-License-Identifier: MIT */
/* New certificates for the engine inside of a program, which gets no signal to
 * reload: it looks itself whether its files were replaced. */
#ifndef MEMD_DAEMON_RENEWAL_H
#define MEMD_DAEMON_RENEWAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct config;

enum { RENEWAL_FILES = 4 };

/* The files as they were when they were last read, or tried to be. */
struct renewal {
	struct renewal_file {
		dev_t dev;
		ino_t ino;
		off_t length;
		struct timespec written, changed;
	} file[RENEWAL_FILES];
};

/* Before they are read for the first time. */
void renewal_init(struct renewal *r, const struct config *config);

/* Once a second: is any of them another file than it was? */
bool renewal_is_due(struct renewal *r, const struct config *config);

#endif
