/* SPDX-License-Identifier: MIT */
/* Pipes that hold references to pages of data files, from the splice until the
 * bytes are read.
 *
 * The pipes are filled one after the other, and read in the same order. */
#ifndef MEMD_BACKING_CAPTURE_PIPES_H
#define MEMD_BACKING_CAPTURE_PIPES_H

#include "daemon/pager/pager.h"

enum {
	CAPTURE_UNITS_MAX = 512,	/* one 2 MiB page */
	CAPTURE_PIPES_MAX = CAPTURE_UNITS_MAX / 16,
};

struct capture_pipe {
	int read_fd, write_fd;
	uint32_t capacity_units;
	uint64_t held_bytes;
};

struct capture_pipes {
	struct capture_pipe pipe[CAPTURE_PIPES_MAX];
	unsigned count;
	unsigned filling, emptying;	/* indexes into `pipe` */
};

/* Returns 0, or -EMFILE, -ENFILE, -EPERM (too little memory for pipes). */
int capture_pipes_init(struct capture_pipes *cp) MUST_CHECK;

/* Accepts a zeroed struct, and one whose init has failed. */
void capture_pipes_fini(struct capture_pipes *cp);

/* Begin a capture.  All pipes must be empty. */
void capture_pipes_start(struct capture_pipes *cp);

/* Take references to the range of the file into the pipes.  *ret_bytes is how
 * much went in: all of it, or, on failure (-errno), a part. */
int capture_pipes_take(struct capture_pipes *cp, int fd, uint64_t offset,
		       uint64_t length, uint64_t *ret_bytes) MUST_CHECK;

/* Read the next `length` bytes into capture->to.  Units that cannot be read are
 * noted in capture->lost and lost_end. */
void capture_pipes_read(struct capture_pipes *cp, struct pager_capture *capture,
			uint64_t length);

#endif
