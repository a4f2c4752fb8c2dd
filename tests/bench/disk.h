/* SPDX-License-Identifier: MIT */
/* What the disk gives to somebody who wants nothing else of it: O_DIRECT reads
 * through io_uring, with registered buffers, on a file in the folder of the
 * swap files.  Uses liburing, and nothing of memd's own swap store: it is what
 * that is measured against. */
#ifndef MEMD_BENCH_DISK_H
#define MEMD_BENCH_DISK_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_kind {
	unsigned block_kib;
	unsigned depth;		/* requests under way */
	bool is_random;
	bool is_mixed;		/* every other request writes, to the other
				 * half of the file */
};

enum { DISK_KINDS = 18 };
extern const struct disk_kind disk_kinds[DISK_KINDS];

enum { DISK_KIND_NAME_BYTES = 48 };

/* "random 4 KiB, depth 8" */
void disk_kind_name(const struct disk_kind *kind,
		    char to[DISK_KIND_NAME_BYTES]);

struct disk_result {
	double ns_per_page;	/* 4 KiB read (mixed: read or written) */
	double bytes_per_s;
};

struct disk {
	int fd;			/* -1: not open */
	uint64_t bytes;
};

/* Make the file, and write it whole.  It has no name any more when this
 * returns.  reason: on failure, one line.  Returns 0; -EINTR
 * (child_stop_signal()); -1. */
int disk_open(struct disk *d, const char *folder, uint64_t bytes,
	      char *reason, size_t reason_size) MUST_CHECK;

/* Measure one; random reads at most read_count.  Every page read is checked.
 * Returns 0, -EINTR, or another -errno (-EILSEQ: wrong bytes). */
int disk_run(const struct disk *d, const struct disk_kind *kind,
	     size_t read_count, struct disk_result *ret_result) MUST_CHECK;

void disk_close(struct disk *d);

#endif
