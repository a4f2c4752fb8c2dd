/* SPDX-License-Identifier: MIT */
/* A thread that makes and ends the files of areas, because the file system may
 * take its time for both.
 *
 * Threads: all calls from the owner's. */
#ifndef MEMD_ENGINE_FILE_MAKER_H
#define MEMD_ENGINE_FILE_MAKER_H

#include "common/checks.h"
#include "swapstore/swapdir.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum { FILE_REASON_BYTES = 512 };

/* One piece of work.  The owner fills in the first four fields; until it has
 * it back, the record is the maker's. */
struct file_job {
	bool is_end;			/* close `fd`; else make a file */
	/* is_end: it is no file of an area, but memory that is mapped here. */
	void *map;
	size_t map_bytes;
	uint32_t slot_count;
	void *owner;			/* what it is for */
	int fd;				/* made; -1: not */
	int error;			/* 0 or -errno, with a reason */
	char reason[FILE_REASON_BYTES];
	STAILQ_ENTRY(file_job) link;
};

struct file_maker;

/* `dir` is borrowed.  Returns 0 or -errno. */
int file_maker_create(const struct swapdir *dir, struct file_maker **ret_maker)
	MUST_CHECK;

/* Gives up what is under way, and frees the jobs that nobody has taken.  NULL
 * is allowed. */
void file_maker_destroy(struct file_maker *fm);

/* Jobs are done in order. */
void file_maker_add(struct file_maker *fm, struct file_job *job);

/* The next job that has ended; NULL: none.  It is the caller's, to be freed. */
struct file_job *file_maker_take(struct file_maker *fm);

/* Readable while a job has ended.  Belongs to the maker. */
int file_maker_event_fd(const struct file_maker *fm);

#endif
