/* SPDX-License-Identifier: MIT */
/* Areas of the swap folder: who has which files.
 *
 * An area is the swap of one session's small private segments, or of one
 * larger or named segment.  It is made of files without names, of 1 MiB to 1
 * GiB, which are allocated before a segment is admitted that may need them.
 * All files together stay within swap_size.
 *
 * Invariants:
 *   F1  A file's slots are known to the pager and to the store exactly while
 *       the area's list has it.
 *   F2  promised_slots == slots of all files in lists, being made, and being
 *       ended; it is at most swap_size.  So what is freed is given away again
 *       only when the file system has it, whoever has a descriptor of it.
 *   F3  An area with no holders is freed by the sweep, not before its file that
 *       is being made has come.
 *   F4  One file of a payer is made at a time, and none while files of it end
 *       that programs have, unless they are overdue.  So whoever maps and
 *       unmaps all the time has no more on the disk than it has mapped at
 *       once, and does not keep others waiting for more than one file.
 *
 * Threads: all calls from the thread of the event loop. */
#ifndef MEMD_ENGINE_AREAS_H
#define MEMD_ENGINE_AREAS_H

#include "common/checks.h"
#include "common/deferred.h"
#include "daemon/config/config.h"
#include "daemon/engine/file_ender.h"
#include "daemon/engine/file_maker.h"
#include "daemon/pager/pager.h"
#include "swapstore/swapstore.h"

struct area_file {
	uint32_t first, slot_count;
	int fd;
	bool is_filled;			/* programs may read it */
	bool is_handed_out;		/* one has got a descriptor */
	struct file_job *job;		/* for its end, owned */
};

struct area_user;
LIST_HEAD(area_user_list, area_user);

struct area {
	struct areas *all;
	struct file_payer *payer;	/* held */
	area_id id;
	uint32_t holders;
	struct area_user_list users;	/* kept by whoever uses engine_hooks */
	bool is_growing;
	bool is_surplus;		/* whoever asked for the file that is
					 * being made has found other room */
	int error;			/* of the last file that was made, not
					 * told to anybody yet */
	char reason[FILE_REASON_BYTES];
	struct area_file *files;	/* [file_count], owned */
	uint32_t file_count, file_room;
	bool is_touched;		/* the sweep is to look at it */
	bool is_kept;			/* it may have files that it does not
					 * need */
	TAILQ_ENTRY(area) link, touched_link, kept_link;
};

TAILQ_HEAD(area_list, area);

struct areas {
	struct swapdir dir;
	struct file_maker *maker;	/* NULL: the store has no files */
	struct file_ender *ender;
	struct pager *pager;
	struct swapstore *store;	/* both borrowed */
	struct area_list list, touched, kept;
	struct area_list late;		/* to be ended when they are not being
					 * filled any more */
	struct area **by_id;		/* [areas_most() + 1], owned */
	uint32_t count;
	uint64_t limit_slots;		/* swap_size */
	bool has_pieces;		/* programs read files: see next_file()
					 */
	uint64_t promised_slots;
	uint64_t ending_slots;		/* of promised_slots */
	uint32_t file_count;		/* files of promised_slots: memd has a
					 * descriptor of each */
	uint64_t quarantined_slots;	/* when the last were replaced */
	struct deferred_work sweep;
	struct deferred *deferred;	/* borrowed */
	/* There may be room for what was refused with -EINPROGRESS. */
	void (*changed)(void *ctx);
	void (*file_ends)(void *ctx, struct area *area,
			  const struct area_file *file);
	void *ctx;
};

/* Open the folder of the configuration.  has_helpers: as in backing_create().
 * Returns 0, or -errno with a line in ret_reason. */
int areas_open(struct areas *as, const struct config *config, bool has_helpers,
	       char *ret_reason, size_t reason_size) MUST_CHECK;

/* Pager and store exist now. */
void areas_use(struct areas *as, struct pager *pager, struct swapstore *store);

/* From now on areas can be made. */
void areas_start(struct areas *as, struct deferred *deferred,
		 void (*changed)(void *ctx),
		 void (*file_ends)(void *ctx, struct area *area,
				   const struct area_file *file),
		 void *ctx);

/* Accepts a zeroed struct.  The pager and the store need not exist any more. */
void areas_close(struct areas *as);

/* How many areas there can be at once: what pager_config needs. */
uint32_t areas_most(const struct config *config);

static inline bool areas_are_used(const struct areas *as)
{
	return as->maker != NULL;
}

/* Held once for the caller.  `user` pays.  NULL: no memory, or too many. */
struct area *area_create(struct areas *as, uint32_t user);
void area_hold(struct area *area);
/* May be called from inside of the pager. */
void area_put(struct area *area);

/* Jobs have ended: call when file_maker_event_fd() is readable. */
void areas_reap(struct areas *as);

/* Call when file_ender_event_fd() is readable. */
void areas_reap_ends(struct areas *as);

/* Call once a second: looks after files that end. */
void areas_poll(struct areas *as);

/* A program keeps files of this user from ending: it gets no more. */
bool areas_are_held_up(const struct areas *as, uint32_t user);

/* The index of the area's file with this first slot. */
uint32_t area_file_at(const struct area *area, uint32_t first);

/* ---- area_growth.c */

/* Whether a segment of `units` can be admitted.  Returns 0; -EINPROGRESS: a
 * file is being made or ended, ask again after `changed`; or -errno with a line
 * in ret_reason: -ENOSPC, -EDQUOT (the disk, or swap_size), and others of
 * swapdir_make(). */
int area_make_room(struct area *area, uint64_t units, char *ret_reason,
		   size_t reason_size) MUST_CHECK;

/* ---- area_files.c */

/* As pager_callbacks.file_filled.  Returns the file, and its area. */
struct area_file *areas_note_filled(struct areas *as, area_id id,
				    uint32_t first, struct area **ret_area);

/* Open the file for a program, for reading, as a description of its own.
 * -errno. */
int area_file_open(const struct areas *as, struct area_file *file) MUST_CHECK;

/* Unmap memory and close its file, which may take long, elsewhere. */
void areas_drop_memory(struct areas *as, void *map, size_t map_bytes, int fd);

/* ---- areas.c */

/* End what could not be ended before. */
void areas_sweep_again(struct areas *as);

/* Replace slots that have failed. */
void areas_repair(struct areas *as);

/* ---- for areas.c and area_growth.c alone */

/* The sweep is to look at the area. */
void area_touch(struct area *area);

/* A file is gone, or was not made. */
void areas_forget_promise(struct areas *as, uint32_t slot_count);

/* The other areas give up what they do not need. */
void areas_reclaim(struct areas *as, const struct area *except);

/* A file for an area is made, or could not be.  Takes the job. */
void area_take_made(struct areas *as, struct file_job *job);

#endif
