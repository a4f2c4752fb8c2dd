/* SPDX-License-Identifier: MIT */
/* Data files are memfds.  Pages move in and out of them.
 *
 * In: through the daemon's own mapping (alias.c).
 *
 * Out ("capture"), in three steps.  splice takes references to the pages into
 * pipes, without copying.  fallocate(PUNCH_HOLE) unmaps the pages from every
 * process and drops them from the file.  read gets the bytes from the pipes.
 *
 *   B1  After the punch no process can write to the old page.  A new page can
 *       appear only by an install, because every mapping of a client is
 *       registered with userfaultfd.  So the bytes that read() gives are final,
 *       and no write is lost.
 *   B2  A range is punched only after all of it has been spliced.  So if splice
 *       fails, nothing has been taken out.
 *   B3  Calls that take the file's lock (punch, SEEK_DATA) are made by a
 *       puncher, never here: a client can hold that lock for ever.
 *   B4  A file is *spoiled* if a client has made huge pages of it
 *       (MADV_COLLAPSE; the alias and libmemclient's mappings forbid them).
 *       The kernel cannot split off a part of a huge page that the pipes hold:
 *       it zeros that part and leaves it in the file.  So those bytes are lost,
 *       and nothing is captured from the file again.  memd sees this because
 *       there is data after the punch.
 *   B5  The bytes are read only when the punch has returned: until then clients
 *       may write to the page (flights.h).
 *   B6  Memory may fail between the splice and the read.  The units concerned
 *       are lost, and the pager is told; the other units are good. */
#include "daemon/backing/backing.h"

#include "daemon/backing/alias.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Limit of one step when a file is given up. */
	SHED_UNMAP_BYTES = 64 << 20,
	/* The cost of the steps, in units taken out. */
	SHED_COST = 32,
	SHED_UNMAPS_PER_UNIT = 1 << 20,	/* bytes */
	CACHE_LINE_BYTES = 64,
	PREFETCH_BYTES = 8 * CACHE_LINE_BYTES,
};

struct data_file {
	int fd;
	uint8_t *alias;			/* NULL: there is no such segment */
	uint64_t length_bytes;
	uint32_t user;
	bool is_spoiled;		/* B4 */
	bool is_reported;		/* that it is spoiled */
	/* Progress of backing_shed(). */
	bool is_emptied;
	uint64_t unmapped_bytes;
};

struct backing {
	int uffd;
	struct flights *flights;
	uint32_t segments_max;
	uint32_t unreported_count;	/* spoiled files not reported yet */
	struct data_file *file;		/* indexed by segment_id */
};

int backing_create(uint32_t segments_max, bool has_helpers,
		   struct backing **ret_backing)
{
	struct backing *b = calloc(1, sizeof(*b));
	int err = -ENOMEM;

	if (b == NULL)
		return -ENOMEM;
	b->uffd = -1;
	b->segments_max = segments_max;
	b->file = calloc(segments_max + 1ul, sizeof(*b->file));
	if (b->file == NULL)
		goto fail;
	err = alias_open_uffd(&b->uffd);
	if (err != 0)
		goto fail;
	err = flights_create(segments_max, has_helpers, &b->flights);
	if (err != 0)
		goto fail;
	*ret_backing = b;
	return 0;
fail:
	backing_destroy(b);
	return err;
}

void backing_destroy(struct backing *b)
{
	if (b == NULL)
		return;
	for (segment_id id = 1; b->file != NULL && id <= b->segments_max; id++)
		if (b->file[id].alias != NULL)
			backing_remove(b, id);
	if (b->uffd >= 0)
		close(b->uffd);
	flights_destroy(b->flights);
	free(b->file);
	free(b);
}

int backing_add(struct backing *b, segment_id segment, uint64_t length_bytes,
		uint32_t user, const char *name)
{
	struct data_file *df = &b->file[segment];
	char label[64];
	int err, fd;

	ASSERT(segment != 0 && segment <= b->segments_max &&
	       df->alias == NULL);
	snprintf(label, sizeof(label), "memd:%.50s", name);
	fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* The mode matters: otherwise a client with a read-only descriptor
	 * could open the file again for writing, through /proc/self/fd. */
	if (fchmod(fd, 0600) != 0 || ftruncate(fd, (off_t)length_bytes) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
					   F_SEAL_SEAL) != 0)
		err = -errno;
	else
		err = alias_map(b->uffd, fd, length_bytes, &df->alias);
	if (err != 0) {
		close(fd);
		return err;
	}
	df->fd = fd;
	df->length_bytes = length_bytes;
	df->user = user;
	return 0;
}

/* Have a range taken out of the file whose bytes nobody needs.  It is out some
 * time, or not at all. */
static void punch_away(struct backing *b, segment_id segment, uint64_t unit,
		       uint64_t count)
{
	const struct data_file *df = &b->file[segment];
	const struct pager_capture capture = {
		.segment = segment, .unit = unit, .count = count,
	};
	struct flight *f;
	int err;

	f = flights_open(b->flights, df->user, &err);
	if (f == NULL)
		return;
	flight_add(f, &capture, df->fd);
	(void)flights_launch(b->flights, f, false);
	flights_abandon(b->flights, f);
}

static void mark_spoiled(struct backing *b, segment_id segment)
{
	struct data_file *df = &b->file[segment];

	b->unreported_count += !df->is_spoiled;
	df->is_spoiled = true;
}

static void shed_spend(uint32_t *budget, uint64_t cost)
{
	*budget -= (uint32_t)MIN((uint64_t)*budget, cost);
}

/* The pager has emptied the file, so any data in it was put there by a client,
 * past memd.  The puncher has a descriptor of its own, so a late punch hits
 * this file, which only clients have by then.  If there is no puncher for it,
 * or a client goes on writing, the client keeps what it has made until it
 * closes the file. */
static void empty_file(struct backing *b, segment_id segment)
{
	struct data_file *df = &b->file[segment];

	if (backing_present_units(b, segment) != 0)
		punch_away(b, segment, 0, df->length_bytes / PAGER_UNIT_BYTES);
	df->is_emptied = true;
}

/* Unmap a part of the alias: its page tables are still there for all that was
 * ever installed. */
static void unmap_some(struct data_file *df, uint32_t *budget)
{
	uint64_t length = MIN((uint64_t)SHED_UNMAP_BYTES,
			      df->length_bytes - df->unmapped_bytes);

	munmap(df->alias + df->unmapped_bytes, length);
	df->unmapped_bytes += length;
	shed_spend(budget, 1 + length / SHED_UNMAPS_PER_UNIT);
}

static void forget_file(struct backing *b, segment_id segment)
{
	struct data_file *df = &b->file[segment];

	flights_forget(b->flights, segment);
	b->unreported_count -= df->is_spoiled && !df->is_reported;
	close(df->fd);
	*df = (struct data_file){ 0 };
}

bool backing_shed(struct backing *b, segment_id segment, uint32_t *budget)
{
	struct data_file *df = &b->file[segment];

	if (df->alias == NULL)
		return true;
	while (*budget > 0) {
		if (!df->is_emptied) {
			empty_file(b, segment);
			shed_spend(budget, SHED_COST);
		} else if (df->unmapped_bytes < df->length_bytes) {
			unmap_some(df, budget);
		} else {
			forget_file(b, segment);
			shed_spend(budget, SHED_COST);
			return true;
		}
	}
	return false;
}

void backing_remove(struct backing *b, segment_id segment)
{
	uint32_t budget;

	ASSERT(b->file[segment].alias != NULL);
	do
		budget = UINT32_MAX;
	while (!backing_shed(b, segment, &budget));
}

int backing_fd(const struct backing *b, segment_id segment)
{
	return b->file[segment].alias != NULL ? b->file[segment].fd : -ENOENT;
}

int backing_open_read_only(const struct backing *b, segment_id segment)
{
	char path[64];
	int fd;

	if (b->file[segment].alias == NULL)
		return -ENOENT;
	/* Use the table of this thread: inside a program the engine's thread
	 * has a table of its own.  In the table of the process the number means
	 * another file, or none. */
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d",
		 b->file[segment].fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int backing_install(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count, const void *bytes)
{
	struct data_file *df = &b->file[segment];

	ASSERT(df->alias != NULL &&
	       (unit + count) * PAGER_UNIT_BYTES <= df->length_bytes);
	return alias_install(b->uffd, df->alias + unit * PAGER_UNIT_BYTES,
			     count * PAGER_UNIT_BYTES, bytes);
}

/* ---- capture */

enum { CAPTURE_DUE = 1 };		/* struct pager_capture.error */

/* B4: look whether anything is left where a flight that has landed has
 * punched. */
static void find_huge_pages(struct backing *b, struct flight *f)
{
	for (unsigned i = 0; i < f->punch_count; i++) {
		const struct punch *pu = &f->punch[i];
		struct pager_capture *c = &f->run[f->run_of_punch[i]].capture;

		if (c->to == NULL || pu->error != 0 ||
		    pu->next_data >= pu->offset + pu->length)
			continue;
		c->error = -ENOTRECOVERABLE;
		mark_spoiled(b, c->segment);
		/* Punch again, so that no other client reads the zeros. */
		punch_away(b, c->segment, c->unit, c->count);
	}
}

/* Start the flight of all runs of the user of capture[first] that have no
 * result yet. */
static void capture_user(struct backing *b, struct pager_capture *capture,
			 unsigned first, unsigned count)
{
	uint32_t user = b->file[capture[first].segment].user;
	unsigned own[PAGER_CAPTURES_MAX], own_count = 0;
	struct flight *f;
	int err;

	f = flights_open(b->flights, user, &err);
	for (unsigned i = first; i < count; i++) {
		const struct data_file *df = &b->file[capture[i].segment];

		if (capture[i].error != CAPTURE_DUE || df->user != user)
			continue;
		capture[i].error = f != NULL ? -EINPROGRESS : err;
		if (f == NULL)
			continue;
		capture[i].ticket = flights_ticket(b->flights, f);
		flight_add(f, &capture[i], df->fd);
		own[own_count++] = i;
	}
	if (f == NULL || !flights_launch(b->flights, f, true))
		return;
	flight_fetch(f);
	find_huge_pages(b, f);
	for (unsigned i = 0; i < own_count; i++)
		capture[own[i]] = f->run[i].capture;
	flights_close(b->flights, f);
}

void backing_capture(struct backing *b, struct pager_capture *capture,
		     unsigned count)
{
	ASSERT(count <= PAGER_CAPTURES_MAX);
	for (unsigned i = 0; i < count; i++)
		capture[i].error = capture[i].to != NULL &&
				   b->file[capture[i].segment].is_spoiled ?
				   -ENOTRECOVERABLE : CAPTURE_DUE;
	for (unsigned i = 0; i < count; i++)
		if (capture[i].error == CAPTURE_DUE)
			capture_user(b, capture, i, count);
}

unsigned backing_collect(struct backing *b, uint32_t ticket, void *to,
			 struct pager_capture ret_run[PAGER_CAPTURES_MAX])
{
	struct flight *f = flights_by_ticket(b->flights, ticket);
	unsigned count = f->run_count;
	uint8_t *at = to;

	for (unsigned i = 0; i < count; i++) {
		struct pager_capture *c = &f->run[i].capture;

		ASSERT((c->to != NULL) == (at != NULL));
		c->to = at;
		if (at != NULL)
			at += c->count * PAGER_UNIT_BYTES;
	}
	flight_fetch(f);
	find_huge_pages(b, f);
	for (unsigned i = 0; i < count; i++)
		ret_run[i] = f->run[i].capture;
	flights_close(b->flights, f);
	return count;
}

/* ---- what happens later */

struct flights *backing_flights(const struct backing *b)
{
	return b->flights;
}

bool backing_next_event(struct backing *b, struct backing_event *ret_event)
{
	const struct flight *f = flights_next_told(b->flights);

	if (f == NULL)
		return false;
	ret_event->ticket = flights_ticket(b->flights, f);
	ret_event->is_stuck = f->state == FLIGHT_FLYING;
	return true;
}

bool backing_next_report(struct backing *b, struct backing_report *ret_report)
{
	const struct flight *f = flights_next_report(b->flights);

	if (f != NULL) {
		*ret_report = (struct backing_report){
			.why = BACKING_LOCKED,
			.segment = f->is_abandoned ? 0 : flight_segment(f),
			.user = f->user,
		};
		return true;
	}
	for (segment_id id = 1; b->unreported_count != 0 &&
				id <= b->segments_max; id++) {
		struct data_file *df = &b->file[id];

		if (!df->is_spoiled || df->is_reported)
			continue;
		df->is_reported = true;
		b->unreported_count--;
		*ret_report = (struct backing_report){
			.why = BACKING_HUGE,
			.segment = id,
			.user = df->user,
		};
		return true;
	}
	return false;
}

bool backing_has_report(const struct backing *b)
{
	return b->unreported_count != 0 || flights_has_report(b->flights);
}

void *backing_bytes(const struct backing *b, segment_id segment, uint64_t unit)
{
	const struct data_file *df = &b->file[segment];

	ASSERT(df->alias != NULL &&
	       (unit + 1) * PAGER_UNIT_BYTES <= df->length_bytes);
	return df->alias + unit * PAGER_UNIT_BYTES;
}

int backing_is_present(const struct backing *b, segment_id segment,
		       uint64_t unit)
{
	return b->file[segment].alias == NULL ? 0 :
	       alias_is_present(b->uffd, backing_bytes(b, segment, unit));
}

void backing_prefetch(const struct backing *b, segment_id segment,
		      uint64_t unit)
{
	const char *at = backing_bytes(b, segment, unit);

	for (size_t i = 0; i < PREFETCH_BYTES; i += CACHE_LINE_BYTES)
		__builtin_prefetch(at + i);
}

uint64_t backing_present_units(const struct backing *b, segment_id segment)
{
	struct stat st;

	if (fstat(b->file[segment].fd, &st) != 0)
		return 0;
	return (uint64_t)st.st_blocks * 512 / PAGER_UNIT_BYTES;
}
