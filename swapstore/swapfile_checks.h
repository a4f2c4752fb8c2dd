/* SPDX-License-Identifier: MIT */
/* Private to swapfile.c: checks of a swap file, for opening and probing.  Each
 * returns 0, or -errno with the reason written. */
#ifndef MEMD_SWAPSTORE_SWAPFILE_CHECKS_H
#define MEMD_SWAPSTORE_SWAPFILE_CHECKS_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { SWAPFILE_HEADER_BYTES = 4096 };

struct swapfile_cancel;

/* One attempt to open or probe. */
struct swapfile_attempt {
	const char *path;
	uint64_t file_bytes;	/* header and slots, set by check_size */
	int fd;			/* -1: none */
	bool was_created;
	bool is_locked;
	struct stat st;		/* set by check_owner */
	const struct swapfile_cancel *cancel;	/* NULL: never give up */
	char *reason;
	size_t reason_size;
};

/* Little-endian on disk; zeros up to the end of the block. */
union swapfile_header {
	struct {
		char magic[8];
		uint32_t version;
		uint32_t slot_bytes;
		uint64_t sum;	/* of the block with this field zero */
	} field;
	unsigned char block[SWAPFILE_HEADER_BYTES];
};

void swapfile_header_init(union swapfile_header *header);

/* Write "path: ..."  as the reason.  Returns `err`. */
int swapfile_refuse(const struct swapfile_attempt *at, int err,
		    const char *format, ...) PRINTF_LIKE(3, 4);
/* The reason "path: what: why; choose another swap_file". */
int swapfile_refuse_call(const struct swapfile_attempt *at, int err,
			 const char *what);
int swapfile_refuse_open(const struct swapfile_attempt *at, int err);
int swapfile_refuse_locked(const struct swapfile_attempt *at);
int swapfile_refuse_full(const struct swapfile_attempt *at,
			 const struct statvfs *vfs);

/* The folder of a path; "."  if it names none.  Returns buf. */
const char *swapfile_folder(const char *path, char *buf, size_t buf_size);

/* Bytes of disk that the file still lacks. */
uint64_t swapfile_missing_bytes(const struct swapfile_attempt *at);

int swapfile_check_size(struct swapfile_attempt *at, uint64_t size_bytes)
	MUST_CHECK;
int swapfile_check_owner(struct swapfile_attempt *at) MUST_CHECK;
int swapfile_check_header(const struct swapfile_attempt *at) MUST_CHECK;
int swapfile_check_space(const struct swapfile_attempt *at,
			 const struct statvfs *vfs) MUST_CHECK;

#endif
