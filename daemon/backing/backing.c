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
 *   B4  A file is *spoiled* if a punch does not come back: then it is unknown
 *       which pages are still in the file.  Nothing is ever captured from a
 *       spoiled file again, because a hole would read as zeros.  The bytes that
 *       were read for that capture are thrown away, because the page could
 *       still be written to.
 *       A file is also spoiled if a client has made huge pages of it
 *       (MADV_COLLAPSE; the alias and libmemclient's mappings forbid them).
 *       The kernel cannot split off a part of a huge page that the pipes hold:
 *       it zeros that part and leaves it in the file.  So those bytes are lost.
 *       memd sees this because there is data after the punch.
 *   B5  A file is *held* while that punch is under way.  Its memory cannot be
 *       had back, so discard refuses, and the pager keeps the frames counted.
 *       When the punch has come back, discard works again.
 *   B6  Memory may fail between the splice and the read.  The units concerned
 *       are lost, and the pager is told; the other units are good. */
#include "daemon/backing/backing.h"

#include "daemon/backing/alias.h"
#include "daemon/backing/capture_pipes.h"
#include "daemon/backing/punchers.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Limits of one step when a file is given up.  A huge page that a
	 * client has made only goes as a whole. */
	SHED_PUNCH_UNITS = 512,
	SHED_UNMAP_BYTES = 64 << 20,
	SHED_LAPS_MAX = 8,
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
	uint32_t owner;
	enum backing_spoil spoil;	/* B4 */
	bool is_reported;		/* the spoil was reported */
	bool is_shunned;
	/* Progress of backing_shed(): how many times the file was searched for
	 * data that clients have put there, how far, and how much of the alias
	 * is unmapped. */
	unsigned shed_laps;
	uint64_t shed_at, unmapped_bytes;
};

struct backing {
	int uffd;
	struct punchers *punchers;
	uint32_t segments_max;
	uint32_t unreported_count;	/* spoiled files not reported yet */
	struct data_file *file;		/* indexed by segment_id */
	struct capture_pipes pipes;
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
	err = punchers_create(segments_max, has_helpers, &b->punchers);
	if (err != 0)
		goto fail;
	err = capture_pipes_init(&b->pipes);
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
	capture_pipes_fini(&b->pipes);
	if (b->uffd >= 0)
		close(b->uffd);
	punchers_destroy(b->punchers);
	free(b->file);
	free(b);
}

int backing_add(struct backing *b, segment_id segment, uint64_t length_bytes,
		uint32_t owner, const char *name)
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
	df->owner = owner;
	return 0;
}

static struct punch punch_of(const struct backing *b, segment_id segment,
			     uint64_t offset, uint64_t length)
{
	const struct data_file *df = &b->file[segment];

	return (struct punch){
		.file = segment,
		.owner = df->owner,
		.fd = df->fd,
		.offset = offset,
		.length = length,
		.is_shunned = df->is_shunned,
	};
}

static void mark_spoiled(struct backing *b, segment_id segment,
			 enum backing_spoil why)
{
	struct data_file *df = &b->file[segment];

	/* BACKING_LOCKED is worse, and is reported even after BACKING_HUGE
	 * was. */
	if (df->spoil == why || df->spoil == BACKING_LOCKED)
		return;
	if (df->spoil == BACKING_SOUND || df->is_reported)
		b->unreported_count++;
	df->is_reported = false;
	df->spoil = why;
}

static void punch_all(struct backing *b, struct punch *punch, unsigned count)
{
	punchers_punch(b->punchers, punch, count);
	for (unsigned i = 0; i < count; i++)
		if (punch[i].error == -ETIMEDOUT)
			mark_spoiled(b, punch[i].file, BACKING_LOCKED);
}

/* Returns 0.  On -errno the range is unchanged; if the file has become spoiled,
 * its state is unknown. */
static int punch_one(struct backing *b, segment_id segment, uint64_t offset,
		     uint64_t length)
{
	struct punch punch = punch_of(b, segment, offset, length);

	punch_all(b, &punch, 1);
	return punch.error;
}

static void shed_spend(uint32_t *budget, uint64_t cost)
{
	*budget -= (uint32_t)MIN((uint64_t)*budget, cost);
}

/* True if there is nothing left to take out.  The pager has emptied the file,
 * so any data in it was put there by a client, past memd.  After SHED_LAPS_MAX
 * searches memd gives up: a client that goes on keeps the file, and then its
 * last close is the client's. */
static bool is_emptied(const struct backing *b, segment_id segment)
{
	const struct data_file *df = &b->file[segment];

	return df->shed_laps >= SHED_LAPS_MAX ||
	       (df->shed_at == 0 && backing_present_units(b, segment) == 0);
}

static void empty_some(struct backing *b, segment_id segment)
{
	struct data_file *df = &b->file[segment];
	uint64_t length = (uint64_t)SHED_PUNCH_UNITS * PAGER_UNIT_BYTES;
	struct punch punch = punch_of(b, segment, df->shed_at,
				      MIN(length,
					  df->length_bytes - df->shed_at));

	punch_all(b, &punch, 1);
	/* The file is held.  The puncher has a descriptor of its own, so its
	 * late punch hits this file, which only clients have by then. */
	if (punch.error != 0) {
		df->shed_laps = SHED_LAPS_MAX;
		return;
	}
	df->shed_at = MAX(punch.next_data / length * length,
			  df->shed_at + length);
	if (df->shed_at >= df->length_bytes) {
		df->shed_at = 0;
		df->shed_laps++;
	}
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

	punchers_forget(b->punchers, segment);
	b->unreported_count -= df->spoil != BACKING_SOUND && !df->is_reported;
	close(df->fd);
	*df = (struct data_file){ 0 };
}

bool backing_shed(struct backing *b, segment_id segment, uint32_t *budget)
{
	struct data_file *df = &b->file[segment];

	if (df->alias == NULL)
		return true;
	while (*budget > 0) {
		if (df->unmapped_bytes == 0 && !is_emptied(b, segment)) {
			empty_some(b, segment);
			shed_spend(budget, SHED_PUNCH_UNITS);
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

/* Make the punches for the captures that were spliced.  of_capture[i] is the
 * capture of punch[i].  Returns how many. */
static unsigned punches_for(const struct backing *b,
			    struct pager_capture *capture, unsigned count,
			    struct punch *punch,
			    struct pager_capture **of_capture)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		if (capture[i].error != 0)
			continue;
		punch[n] = punch_of(b, capture[i].segment,
				    capture[i].unit * PAGER_UNIT_BYTES,
				    capture[i].count * PAGER_UNIT_BYTES);
		of_capture[n++] = &capture[i];
	}
	return n;
}

/* B2: splice the range into the pipes. */
static int take_capture(struct backing *b, const struct pager_capture *c,
			uint64_t *ret_bytes)
{
	const struct data_file *df = &b->file[c->segment];

	*ret_bytes = 0;
	return df->spoil != BACKING_SOUND ? -ENOTRECOVERABLE :
		capture_pipes_take(&b->pipes, df->fd,
				   c->unit * PAGER_UNIT_BYTES,
				   c->count * PAGER_UNIT_BYTES, ret_bytes);
}

/* The bytes are not needed. */
static void discard_all(struct backing *b, struct pager_capture *capture,
			unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int err = punch_one(b, capture[i].segment,
				    capture[i].unit * PAGER_UNIT_BYTES,
				    capture[i].count * PAGER_UNIT_BYTES);

		capture[i].error = err != 0 ? -EBUSY : 0;
	}
}

void backing_capture(struct backing *b, struct pager_capture *capture,
		     unsigned count)
{
	struct pager_capture *of_capture[PAGER_CAPTURES_MAX];
	struct punch punch[PAGER_CAPTURES_MAX];
	uint64_t bytes[PAGER_CAPTURES_MAX] = { 0 };
	unsigned punch_count;

	ASSERT(count <= PAGER_CAPTURES_MAX);
	if (capture[0].to == NULL) {
		discard_all(b, capture, count);
		return;
	}
	capture_pipes_start(&b->pipes);
	for (unsigned i = 0; i < count; i++)
		capture[i].error = take_capture(b, &capture[i], &bytes[i]);
	punch_count = punches_for(b, capture, count, punch, of_capture);
	punch_all(b, punch, punch_count);
	for (unsigned i = 0; i < punch_count; i++)
		of_capture[i]->error = punch[i].error == -ETIMEDOUT ?
				       -ENOTRECOVERABLE : punch[i].error;
	for (unsigned i = 0; i < count; i++)
		capture_pipes_read(&b->pipes, &capture[i], bytes[i]);
	for (unsigned i = 0; i < punch_count; i++) {
		if (punch[i].error != 0 ||
		    punch[i].next_data >= punch[i].offset + punch[i].length)
			continue;
		of_capture[i]->error = -ENOTRECOVERABLE;
		mark_spoiled(b, punch[i].file, BACKING_HUGE);
		/* Punch again, so that no other client reads the zeros. */
		(void)punch_one(b, punch[i].file, punch[i].offset,
				punch[i].length);
	}
}

segment_id backing_take_spoiled(struct backing *b, enum backing_spoil *ret_why)
{
	for (segment_id id = 1; b->unreported_count != 0 &&
				id <= b->segments_max; id++) {
		struct data_file *df = &b->file[id];

		if (df->spoil == BACKING_SOUND || df->is_reported)
			continue;
		df->is_reported = true;
		*ret_why = df->spoil;
		b->unreported_count--;
		return id;
	}
	return 0;
}

bool backing_has_spoiled(const struct backing *b)
{
	return b->unreported_count != 0;
}

void backing_shun(struct backing *b, segment_id segment)
{
	b->file[segment].is_shunned = true;
}

uint32_t backing_owner(const struct backing *b, segment_id segment)
{
	return b->file[segment].owner;
}

bool backing_is_blamed(const struct backing *b, uint32_t owner)
{
	return punchers_is_blamed(b->punchers, owner);
}

unsigned backing_poll(struct backing *b)
{
	return punchers_poll(b->punchers);
}

unsigned backing_stuck_count(const struct backing *b)
{
	return punchers_stuck_count(b->punchers);
}

unsigned backing_missing_helpers(const struct backing *b)
{
	return punchers_missing_count(b->punchers);
}

uint64_t backing_renewed_helpers(const struct backing *b)
{
	return punchers_renewed_count(b->punchers);
}

void *backing_bytes(const struct backing *b, segment_id segment, uint64_t unit)
{
	const struct data_file *df = &b->file[segment];

	ASSERT(df->alias != NULL &&
	       (unit + 1) * PAGER_UNIT_BYTES <= df->length_bytes);
	return df->alias + unit * PAGER_UNIT_BYTES;
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
