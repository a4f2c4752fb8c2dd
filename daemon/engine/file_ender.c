/* SPDX-License-Identifier: MIT */
#include "daemon/engine/file_ender.h"

#include "common/log.h"
#include "swapstore/swap_files.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	/* Processes that are always ready; others are made as needed. */
	HELPERS_KEPT = 1,
	/* To a helper: it has one at a time. */
	THE_FILE = 1,
	/* What an empty file may still have, for its attributes. */
	EMPTY_BYTES = SWAP_SLOT_BYTES,
	/* From so many failed tries, and looks at a stuck helper, on it
	 * counts. */
	FAILED_MAX = 3, STUCK_MAX = 4,
};

struct file_ender {
	struct punchers *punchers;	/* NULL: no helpers */
	LIST_HEAD(, file_payer) payers;
	TAILQ_HEAD(, file_payer) busy;
	STAILQ_HEAD(, file_job) done;
};

int file_ender_create(bool has_helpers, struct file_ender **ret_ender)
{
	struct file_ender *fe = calloc(1, sizeof(*fe));
	int err = 0;

	if (fe == NULL)
		return -ENOMEM;
	LIST_INIT(&fe->payers);
	TAILQ_INIT(&fe->busy);
	STAILQ_INIT(&fe->done);
	if (has_helpers)
		err = punchers_create(THE_FILE, 0, HELPERS_KEPT,
				      &fe->punchers);
	if (err != 0)
		free(fe);
	else
		*ret_ender = fe;
	return err;
}

static void free_job(struct file_job *job)
{
	(void)close(job->fd);
	free(job);
}

static struct file_job *payer_take_first(struct file_payer *payer)
{
	struct file_job *job = STAILQ_FIRST(&payer->ending);

	STAILQ_REMOVE_HEAD(&payer->ending, link);
	return job;
}

void file_ender_destroy(struct file_ender *fe)
{
	struct file_payer *payer;
	struct file_job *job;

	if (fe == NULL)
		return;
	punchers_destroy(fe->punchers);
	while ((payer = LIST_FIRST(&fe->payers)) != NULL) {
		while (!STAILQ_EMPTY(&payer->ending))
			free_job(payer_take_first(payer));
		LIST_REMOVE(payer, link);
		free(payer);
	}
	while ((job = file_ender_take(fe)) != NULL)
		free_job(job);
	free(fe);
}

bool file_ender_is_used(const struct file_ender *fe)
{
	return fe->punchers != NULL;
}

int file_ender_event_fd(const struct file_ender *fe)
{
	return fe->punchers != NULL ? punchers_event_fd(fe->punchers) : -1;
}

/* ---- payers */

static struct file_payer *find_payer(const struct file_ender *fe,
				     uint32_t user)
{
	struct file_payer *payer;

	LIST_FOREACH(payer, &fe->payers, link)
		if (payer->user == user)
			break;
	return payer;
}

struct file_payer *file_ender_get_payer(struct file_ender *fe, uint32_t user)
{
	struct file_payer *payer = find_payer(fe, user);

	if (payer == NULL) {
		payer = calloc(1, sizeof(*payer));
		if (payer == NULL)
			return NULL;
		payer->user = user;
		STAILQ_INIT(&payer->ending);
		LIST_INSERT_HEAD(&fe->payers, payer, link);
	}
	payer->holders++;
	return payer;
}

void file_ender_put_payer(struct file_payer *payer)
{
	ASSERT(payer->holders > 0);
	if (--payer->holders != 0)
		return;
	ASSERT(STAILQ_EMPTY(&payer->ending) && payer->growing_count == 0);
	LIST_REMOVE(payer, link);
	free(payer);
}

/* ---- the way of a file */

static void payer_is_well(struct file_payer *payer)
{
	payer->failed_count = payer->stuck_count = 0;
	payer->is_held_up = payer->is_overdue = false;
}

/* Give the payer's next file to its helper, unless it has one. */
static void payer_start(struct file_ender *fe, struct file_payer *payer)
{
	const struct file_job *job = STAILQ_FIRST(&payer->ending);
	const struct punch end = { .is_truncation = true, .file = THE_FILE,
				   .fd = job->fd };

	if (payer->puncher != NULL || payer->is_put_off)
		return;
	if (punchers_punch(fe->punchers, payer->user, &end, 1, false,
			   &payer->puncher, &payer->order) == 0) {
		payer->puncher_start = payer->puncher->starts;
		return;
	}
	payer->puncher = NULL;
	payer->is_put_off = true;
	payer->failed_count++;
}

void file_ender_add(struct file_ender *fe, struct file_payer *payer,
		    struct file_job *job)
{
	ASSERT(file_ender_is_used(fe));
	if (STAILQ_EMPTY(&payer->ending)) {
		payer->holders++;
		payer_is_well(payer);
		payer->is_put_off = false;
		TAILQ_INSERT_TAIL(&fe->busy, payer, busy_link);
	}
	STAILQ_INSERT_TAIL(&payer->ending, job, link);
	payer->ending_slots += job->slot_count;
	payer_start(fe, payer);
}

/* Z1.  What has failed goes behind the payer's others. */
static void payer_note_result(struct file_ender *fe, struct file_payer *payer,
			      const struct punch *end)
{
	struct file_job *job = payer_take_first(payer);

	payer->stuck_count = 0;
	payer->is_held_up = false;
	if (end->error != 0 || end->left_bytes > EMPTY_BYTES) {
		STAILQ_INSERT_TAIL(&payer->ending, job, link);
		payer->is_put_off = true;
		payer->failed_count++;
		return;
	}
	payer_is_well(payer);
	payer->ending_slots -= job->slot_count;
	STAILQ_INSERT_TAIL(&fe->done, job, link);
}

/* Z3 */
static bool has_no_helper(const struct file_payer *payer)
{
	return payer->puncher->state == PUNCHER_DEAD ||
	       payer->puncher->starts != payer->puncher_start;
}

static void payer_look(struct file_ender *fe, struct file_payer *payer)
{
	struct punch end = { .file = THE_FILE };

	if (payer->puncher == NULL)
		return;
	if (has_no_helper(payer)) {
		payer->puncher = NULL;
	} else if (puncher_has_done(payer->puncher, payer->order, 1)) {
		puncher_results(payer->puncher, payer->order, &end, 1);
		payer->puncher = NULL;
		payer_note_result(fe, payer, &end);
	}
}

/* All results are taken before a helper gets more to do. */
static void look(struct file_ender *fe)
{
	struct file_payer *payer, *next;

	punchers_look(fe->punchers);
	TAILQ_FOREACH(payer, &fe->busy, busy_link)
		payer_look(fe, payer);
	for (payer = TAILQ_FIRST(&fe->busy); payer != NULL; payer = next) {
		next = TAILQ_NEXT(payer, busy_link);
		if (!STAILQ_EMPTY(&payer->ending)) {
			payer_start(fe, payer);
			continue;
		}
		TAILQ_REMOVE(&fe->busy, payer, busy_link);
		file_ender_put_payer(payer);
	}
}

void file_ender_reap(struct file_ender *fe)
{
	uint64_t ignored;

	(void)!read(punchers_event_fd(fe->punchers), &ignored,
		    sizeof(ignored));
	look(fe);
}

struct file_job *file_ender_take(struct file_ender *fe)
{
	struct file_job *job = STAILQ_FIRST(&fe->done);

	if (job != NULL)
		STAILQ_REMOVE_HEAD(&fe->done, link);
	return job;
}

/* ---- looking after it */

/* It is not known which of those that have the file reads it.  Its inode finds
 * them. */
static void log_held_up(const struct file_payer *payer)
{
	const struct file_job *job = STAILQ_FIRST(&payer->ending);
	uint64_t bytes = payer->ending_slots * SWAP_SLOT_BYTES;
	struct stat st = { 0 };

	(void)fstat(job->fd, &st);
	log_event(LOG_LEVEL_WARNING, "swap-file-held", "uid=%u inode=%llu "
		  "bytes=%llu reason=\"a program's read of a swap file that "
		  "has ended does not end\"", payer->user,
		  (unsigned long long)st.st_ino, (unsigned long long)bytes);
}

static bool payer_judge(struct file_payer *payer)
{
	bool is_stuck = payer->puncher != NULL && payer->puncher->is_stuck;
	bool was_held_up = payer->is_held_up, was_overdue = payer->is_overdue;

	payer->stuck_count = is_stuck ? payer->stuck_count + 1 : 0;
	payer->is_held_up = payer->stuck_count >= STUCK_MAX;
	payer->is_overdue = payer->is_held_up ||
			 payer->failed_count >= FAILED_MAX;
	if (payer->is_held_up && !was_held_up)
		log_held_up(payer);
	return payer->is_overdue != was_overdue;
}

bool file_ender_poll(struct file_ender *fe)
{
	struct file_payer *payer;
	bool has_changed = false;

	if (fe->punchers == NULL)
		return false;
	punchers_poll(fe->punchers);
	TAILQ_FOREACH(payer, &fe->busy, busy_link)
		payer->is_put_off = false;
	look(fe);
	TAILQ_FOREACH(payer, &fe->busy, busy_link)
		has_changed |= payer_judge(payer);
	return has_changed;
}

unsigned file_ender_held_up_count(const struct file_ender *fe,
				  uint64_t *ret_slots)
{
	const struct file_payer *payer;
	unsigned count = 0;

	*ret_slots = 0;
	TAILQ_FOREACH(payer, &fe->busy, busy_link) {
		count += payer->is_held_up;
		*ret_slots += payer->is_held_up ? payer->ending_slots : 0;
	}
	return count;
}

bool file_ender_is_held_up(const struct file_ender *fe, uint32_t user)
{
	const struct file_payer *payer = find_payer(fe, user);

	return payer != NULL && payer->is_held_up;
}

bool file_payer_is_ending(const struct file_payer *payer)
{
	return !STAILQ_EMPTY(&payer->ending) && !payer->is_overdue;
}

uint64_t file_ender_overdue_slots(const struct file_ender *fe)
{
	const struct file_payer *payer;
	uint64_t slots = 0;

	TAILQ_FOREACH(payer, &fe->busy, busy_link)
		if (!file_payer_is_ending(payer))
			slots += payer->ending_slots;
	return slots;
}

unsigned file_ender_missing_helpers(const struct file_ender *fe)
{
	return fe->punchers != NULL ? punchers_missing_count(fe->punchers) : 0;
}

uint64_t file_ender_renewed_helpers(const struct file_ender *fe)
{
	return fe->punchers != NULL ? punchers_renewed_count(fe->punchers) : 0;
}
