/* SPDX-License-Identifier: MIT */
/* Files of areas that programs have got descriptors of, and that end.
 *
 * A program's descriptor keeps the blocks, so memd must truncate such a file:
 * that it closes its own descriptor frees nothing for certain.  But while a
 * program reads the file with O_DIRECT, a truncation waits, and no signal ends
 * that wait.  A read into a page whose fault nobody answers lasts for ever.  So
 * helper processes truncate (daemon/backing/punchers.h).
 *
 *   Z1  A file is done when the file system says that its blocks are free, and
 *       not before.
 *   Z2  A payer's files end one after the other, with one helper.  So whatever
 *       programs do with a payer's files, one helper is kept.
 *   Z3  If a helper is gone, another one truncates again.  That does no harm:
 *       nobody needs what is in the file.
 *   Z4  A payer is *held up* while its helper is stuck (L4 in flights.h) and
 *       was so for some seconds, and all its files with it.  A disk that is
 *       slow for a moment does not count.  Nothing is given up because of it.
 *
 * Threads: all calls from the thread of the event loop. */
#ifndef MEMD_ENGINE_FILE_ENDER_H
#define MEMD_ENGINE_FILE_ENDER_H

#include "common/checks.h"
#include "daemon/backing/punchers.h"
#include "daemon/engine/file_maker.h"

/* The user whose segments files are made for. */
struct file_payer {
	uint32_t user;
	uint32_t holders;
	uint32_t growing_count;		/* areas whose file is being made; kept
					 * by them */
	STAILQ_HEAD(, file_job) ending;	/* the first one is with the helper */
	uint64_t ending_slots;
	/* NULL: no helper has it yet. */
	struct puncher *puncher;
	uint32_t puncher_start, order;
	unsigned failed_count;		/* tries in a row */
	unsigned stuck_count;		/* looks in a row that saw it stuck */
	bool is_put_off;		/* until the next look */
	bool is_held_up;
	/* Held up, or several tries in a row have failed: nobody waits for its
	 * files. */
	bool is_overdue;
	LIST_ENTRY(file_payer) link;
	TAILQ_ENTRY(file_payer) busy_link;	/* while any is ending */
};

struct file_ender;

/* has_helpers false: files are not to end here, because all who have a
 * descriptor are trusted.  Returns 0, -ENOMEM or -EMFILE. */
int file_ender_create(bool has_helpers, struct file_ender **ret_ender)
	MUST_CHECK;

/* Gives up what is under way, and frees it.  NULL is allowed. */
void file_ender_destroy(struct file_ender *fe);

/* Held for the caller.  NULL: no memory. */
struct file_payer *file_ender_get_payer(struct file_ender *fe, uint32_t user);
void file_ender_put_payer(struct file_payer *payer);

/* False: add nothing. */
bool file_ender_is_used(const struct file_ender *fe);

/* Have job->fd truncated.  The record is the ender's until it is done. */
void file_ender_add(struct file_ender *fe, struct file_payer *payer,
		    struct file_job *job);

/* Call when the event descriptor is readable.  Afterwards take those that are
 * done; they are the caller's, with their descriptors. */
void file_ender_reap(struct file_ender *fe);
struct file_job *file_ender_take(struct file_ender *fe);

/* -1: nothing is ever done. */
int file_ender_event_fd(const struct file_ender *fe);

/* Call once a second: logs who is held up.  Returns true if
 * file_payer_is_ending() has changed for somebody. */
bool file_ender_poll(struct file_ender *fe);

/* How many payers are held up, and how many slots they keep; whether one is
 * `user`. */
unsigned file_ender_held_up_count(const struct file_ender *fe,
				  uint64_t *ret_slots);
bool file_ender_is_held_up(const struct file_ender *fe, uint32_t user);

/* Files are ending, and nothing is known that keeps them. */
bool file_payer_is_ending(const struct file_payer *payer);

/* Of all payers' slots that are ending, those of which it is not known when
 * they will be done. */
uint64_t file_ender_overdue_slots(const struct file_ender *fe);

/* As in punchers.h. */
unsigned file_ender_missing_helpers(const struct file_ender *fe);
uint64_t file_ender_renewed_helpers(const struct file_ender *fe);

#endif
