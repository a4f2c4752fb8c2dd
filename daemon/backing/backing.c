/* SPDX-License-Identifier: MIT */
/* Data files: memfds, the daemon's alias mappings of them, and the two moves.
 *
 * In: UFFDIO_COPY or UFFDIO_ZEROPAGE into the alias.  It always inserts single
 * 4 KiB pages, whole or not at all; a write(2) could make a huge folio, and
 * absent pages beside the wanted one would then read as zeros.
 *
 * Out ("capture"): splice() takes references to the pages into pipes without
 * copying; fallocate(PUNCH_HOLE) unmaps them from every process and drops
 * them from the file; then read() from the pipes gets the bytes.
 *
 *   B1  After the punch nobody can write to the old page, and a new one can
 *       appear only by an install, as every mapping of a client is registered
 *       with userfaultfd.  So what read() gives is final: no write is lost.
 *   B2  Nothing is punched before all of it has been spliced; so when splice
 *       fails, nothing has been taken out.
 *   B3  What asks for the file's lock (punching, SEEK_DATA) is done by a
 *       puncher, never here: a client can keep that lock for ever.
 *   B4  When a punch does not come back the file is *spoiled*: which pages are
 *       still in it is not known from then on.  So nothing is ever captured
 *       from it again (a hole would read as zeros), and what was read for that
 *       capture is thrown away (the page could still be written to).
 *       So is the file of a client that makes huge pages of it behind our back
 *       (MADV_COLLAPSE; our alias and libmemclient's mappings forbid them).
 *       A part of a huge page that the pipes hold cannot be split off: the
 *       kernel zeros it and leaves it where it is, so those bytes are lost,
 *       and that there is data after the punch tells us so.
 *   B5  While that punch is under way the file is *held*: its memory cannot be
 *       had back, and so discard refuses, and the pager keeps the frames
 *       counted.  When the punch has come back, discard works again.
 *   B6  Memory may fail between the splice and the read.  Those units are lost,
 *       which the pager is told; the others are as good as ever. */
#include "daemon/backing/backing.h"

#include "daemon/backing/puncher.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif

enum {
	CAPTURE_UNITS_MAX = 512,	/* one 2 MiB page */
	PIPE_BYTES = 1 << 20,		/* the most an ordinary user gets */
	PIPES_MAX = CAPTURE_UNITS_MAX / 16,
	/* Of a file that goes, at once.  Huge pages that a client has made of
	 * it only go as a whole. */
	SHED_PUNCH_UNITS = 512,
	SHED_UNMAP_BYTES = 64 << 20,
	SHED_LAPS_MAX = 8,
	/* What it costs, in units taken out. */
	SHED_COST = 32,
	SHED_UNMAPS_PER_UNIT = 1 << 20,	/* bytes */
	CACHE_LINE_BYTES = 64,
	PREFETCH_BYTES = 8 * CACHE_LINE_BYTES,
};

struct data_file {
	int fd;
	uint8_t *alias;			/* NULL: no such segment */
	uint64_t length_bytes;
	uint32_t owner;
	enum backing_spoil spoil;	/* B4 */
	bool is_reported;		/* … and has been told of */
	bool is_shunned;
	/* When it goes: how often it has been gone through for what clients
	 * have put there, and how far; how much of the alias is unmapped. */
	unsigned shed_laps;
	uint64_t shed_at, unmapped_bytes;
};

struct capture_pipe {
	int read_fd, write_fd;
	uint32_t capacity_units;
};

struct backing {
	int uffd;
	struct punchers *punchers;
	uint32_t segments_max;
	uint32_t unreported_count;	/* spoiled files not told of yet */
	struct data_file *file;		/* by segment_id */
	struct capture_pipe pipe[PIPES_MAX];
	unsigned pipe_count;
};

static int uffd_open(int *ret_uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM,
	};
	int fd = (int)syscall(SYS_userfaultfd,
			      O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int err;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) != 0)
		err = errno == EINVAL ? -EOPNOTSUPP : -errno;
	else if (!(api.features & UFFD_FEATURE_MINOR_SHMEM))
		err = -EOPNOTSUPP;
	else {
		*ret_uffd = fd;
		return 0;
	}
	close(fd);
	return err;
}

static int pipe_open(struct capture_pipe *cp)
{
	int fd[2], bytes;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	(void)fcntl(fd[1], F_SETPIPE_SZ, PIPE_BYTES);
	bytes = fcntl(fd[1], F_GETPIPE_SZ);
	*cp = (struct capture_pipe){
		.read_fd = fd[0],
		.write_fd = fd[1],
		.capacity_units = (uint32_t)MAX(bytes, 0) / PAGER_UNIT_BYTES,
	};
	return 0;
}

static void pipe_close(const struct capture_pipe *cp)
{
	close(cp->read_fd);
	close(cp->write_fd);
}

/* Empty; or, where there is no other to be had, of no use any more. */
static void pipe_renew(struct capture_pipe *cp)
{
	pipe_close(cp);
	if (pipe_open(cp) != 0)
		*cp = (struct capture_pipe){ .read_fd = -1, .write_fd = -1 };
}

/* Pipes that together hold the largest page.  Where the user's pipe memory
 * is short, many small ones do. */
static int pipes_open(struct backing *b)
{
	uint32_t units = 0;

	while (units < CAPTURE_UNITS_MAX && b->pipe_count < PIPES_MAX) {
		struct capture_pipe *cp = &b->pipe[b->pipe_count];
		int err = pipe_open(cp);

		if (err != 0)
			return err;
		b->pipe_count++;
		if (cp->capacity_units == 0)
			return -EPERM;
		units += cp->capacity_units;
	}
	return units < CAPTURE_UNITS_MAX ? -EPERM : 0;
}

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
	err = uffd_open(&b->uffd);
	if (err != 0)
		goto fail;
	err = punchers_create(segments_max, has_helpers, &b->punchers);
	if (err != 0)
		goto fail;
	err = pipes_open(b);
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
	for (unsigned i = 0; i < b->pipe_count; i++)
		pipe_close(&b->pipe[i]);
	if (b->uffd >= 0)
		close(b->uffd);
	punchers_destroy(b->punchers);
	free(b->file);
	free(b);
}

static int alias_map(const struct backing *b, int fd, uint64_t length_bytes,
		     uint8_t **ret_alias)
{
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	void *at = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, fd, 0);
	int err;

	if (at == MAP_FAILED)
		return -errno;
	(void)madvise(at, length_bytes, MADV_NOHUGEPAGE);
	(void)madvise(at, length_bytes, MADV_DONTDUMP);
	(void)madvise(at, length_bytes, MADV_DONTFORK);
	reg.range.start = (uintptr_t)at;
	reg.range.len = length_bytes;
	if (ioctl(b->uffd, UFFDIO_REGISTER, &reg) != 0) {
		err = -errno;
		munmap(at, length_bytes);
		return err;
	}
	*ret_alias = at;
	return 0;
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
	/* Without the mode, whoever holds a read-only descriptor could open
	 * the file again for writing through /proc/self/fd. */
	if (fchmod(fd, 0600) != 0 || ftruncate(fd, (off_t)length_bytes) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
					   F_SEAL_SEAL) != 0)
		err = -errno;
	else
		err = alias_map(b, fd, length_bytes, &df->alias);
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

static void spoil(struct backing *b, segment_id segment,
		  enum backing_spoil why)
{
	struct data_file *df = &b->file[segment];

	/* To be kept locked is the worse, and told although the other was. */
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
			spoil(b, punch[i].file, BACKING_LOCKED);
}

/* 0, or -errno: the range is as it was, or (spoiled) nobody knows how. */
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

/* Is there nothing more to be taken out?  The pager has emptied the file; what
 * is there still or again a client has put there behind our back.  Who goes on
 * doing so has the file, and its last close will not be ours. */
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
	/* Of a held file: the puncher has a descriptor of its own, and what it
	 * punches late is a file that nobody but its clients has any more. */
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

/* The page tables of what was ever installed are still there. */
static void unmap_some(struct data_file *df, uint32_t *budget)
{
	uint64_t length = MIN((uint64_t)SHED_UNMAP_BYTES,
			      df->length_bytes - df->unmapped_bytes);

	munmap(df->alias + df->unmapped_bytes, length);
	df->unmapped_bytes += length;
	shed_spend(budget, 1 + length / SHED_UNMAPS_PER_UNIT);
}

static void forget(struct backing *b, segment_id segment)
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
			forget(b, segment);
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
	/* Of the thread: inside of a program it has a table of its own, and
	 * the number means another file, or none, to the process. */
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d",
		 b->file[segment].fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

/* One ioctl.  Returns the bytes installed (> 0), or -errno with none. */
static int64_t install_some(const struct backing *b, uint8_t *to,
			    uint64_t length, const uint8_t *bytes)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)bytes,
		.len = length,
		.mode = UFFDIO_COPY_MODE_DONTWAKE,
	};
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)to, length },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};
	int64_t moved;

	if (bytes != NULL)
		moved = ioctl(b->uffd, UFFDIO_COPY, &copy) == 0 ?
			(int64_t)length : copy.copy;
	else
		moved = ioctl(b->uffd, UFFDIO_ZEROPAGE, &zero) == 0 ?
			(int64_t)length : zero.zeropage;
	return moved != 0 ? moved : -errno;
}

int backing_install(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count, const void *bytes)
{
	struct data_file *df = &b->file[segment];
	uint8_t *to = df->alias + unit * PAGER_UNIT_BYTES;
	uint64_t done = 0, length = count * PAGER_UNIT_BYTES;

	ASSERT(df->alias != NULL &&
	       (unit + count) * PAGER_UNIT_BYTES <= df->length_bytes);
	while (done < length) {
		int64_t moved = install_some(
			b, to + done, length - done,
			bytes != NULL ? (const uint8_t *)bytes + done : NULL);

		if (moved > 0)
			done += (uint64_t)moved;
		else if (moved == -EEXIST)	/* present: keeps its bytes */
			done += PAGER_UNIT_BYTES;
		else if (moved != -EAGAIN)	/* ENOMEM, or nothing we know */
			return -ENOMEM;
	}
	return 0;
}

/* What the pipes hold.  They are filled one after the other, and what is in
 * them comes out in the same order. */
struct load {
	unsigned pipe;			/* being filled, or emptied */
	uint64_t bytes[PIPES_MAX];	/* in each */
};

/* Take references to units of the file into the pipes; *ret_bytes is how much
 * went in, all of it or, on failure (-errno), a part. */
static int splice_all(const struct backing *b, const struct pager_capture *c,
		      struct load *load, uint64_t *ret_bytes)
{
	uint64_t offset = c->unit * PAGER_UNIT_BYTES;
	uint64_t length = c->count * PAGER_UNIT_BYTES;
	int fd = b->file[c->segment].fd;

	*ret_bytes = 0;
	if (b->file[c->segment].spoil != BACKING_SOUND)
		return -ENOTRECOVERABLE;
	while (*ret_bytes < length) {
		const struct capture_pipe *cp = &b->pipe[load->pipe];
		uint64_t room = (uint64_t)cp->capacity_units *
				PAGER_UNIT_BYTES - load->bytes[load->pipe];
		loff_t at = (loff_t)(offset + *ret_bytes);
		ssize_t n = 0;

		if (room > 0)
			n = splice(fd, &at, cp->write_fd, NULL,
				   MIN(length - *ret_bytes, room),
				   SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0) {
			if (load->pipe + 1 == b->pipe_count)
				return -EIO;
			load->pipe++;
			continue;
		}
		load->bytes[load->pipe] += (uint64_t)n;
		*ret_bytes += (uint64_t)n;
	}
	return 0;
}

/* What stands first in the pipe cannot be read (its memory has failed): have it
 * moved out unread, what is left of its unit, so that what is behind it comes
 * next.  Returns how much that was; all, where not even that could be done. */
static uint64_t pipe_skip(struct capture_pipe *cp, uint64_t left_of_unit,
			  uint64_t left)
{
	struct capture_pipe waste = { .read_fd = -1, .write_fd = -1 };
	ssize_t n = -1;

	if (pipe_open(&waste) == 0) {
		n = splice(cp->read_fd, NULL, waste.write_fd, NULL,
			   left_of_unit, SPLICE_F_NONBLOCK);
		pipe_close(&waste);
	}
	if (n > 0)
		return (uint64_t)n;
	pipe_renew(cp);
	return left;
}

/* Read bytes [done, end) of a capture out of the pipe.  What cannot be read is
 * noted there. */
static void pipe_read(struct capture_pipe *cp, struct pager_capture *c,
		      uint64_t done, uint64_t end)
{
	while (done < end) {
		ssize_t n = read(cp->read_fd, (uint8_t *)c->to + done,
				 end - done);
		uint64_t unit = c->unit + done / PAGER_UNIT_BYTES;

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			done += (uint64_t)n;
			continue;
		}
		done += pipe_skip(cp, PAGER_UNIT_BYTES -
				  done % PAGER_UNIT_BYTES, end - done);
		if (c->lost_end == 0)
			c->lost = unit;
		c->lost_end = c->unit + DIV_ROUND_UP(done, PAGER_UNIT_BYTES);
	}
}

/* Read the next `length` bytes out of the pipes. */
static void unload(struct backing *b, struct load *load,
		   struct pager_capture *c, uint64_t length)
{
	uint64_t done = 0;

	while (done < length) {
		uint64_t *held = &load->bytes[load->pipe];
		uint64_t part = MIN(*held, length - done);

		pipe_read(&b->pipe[load->pipe], c, done, done + part);
		done += part;
		*held -= part;
		if (*held == 0)
			load->pipe++;
	}
}

/* The ranges of those that have been spliced; of_capture[i] is what
 * punch[i] is of.  Returns how many. */
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

void backing_capture(struct backing *b, struct pager_capture *capture,
		     unsigned count)
{
	struct pager_capture *of_capture[PAGER_CAPTURES_MAX];
	struct punch punch[PAGER_CAPTURES_MAX];
	uint64_t bytes[PAGER_CAPTURES_MAX] = { 0 };
	struct load load = { 0 };
	unsigned punch_count;

	ASSERT(count <= PAGER_CAPTURES_MAX);
	for (unsigned i = 0; i < count; i++)
		capture[i].error = splice_all(b, &capture[i], &load, &bytes[i]);
	punch_count = punches_for(b, capture, count, punch, of_capture);
	punch_all(b, punch, punch_count);
	for (unsigned i = 0; i < punch_count; i++)
		of_capture[i]->error = punch[i].error == -ETIMEDOUT ?
				       -ENOTRECOVERABLE : punch[i].error;
	load.pipe = 0;
	for (unsigned i = 0; i < count; i++)
		unload(b, &load, &capture[i], bytes[i]);
	for (unsigned i = 0; i < punch_count; i++) {
		if (punch[i].error != 0 ||
		    punch[i].next_data >= punch[i].offset + punch[i].length)
			continue;
		of_capture[i]->error = -ENOTRECOVERABLE;
		spoil(b, punch[i].file, BACKING_HUGE);
		/* That others may not have the zeros either. */
		(void)punch_one(b, punch[i].file, punch[i].offset,
				punch[i].length);
	}
}

int backing_discard(struct backing *b, segment_id segment, uint64_t unit,
		    uint64_t count)
{
	ASSERT(b->file[segment].alias != NULL);
	return punch_one(b, segment, unit * PAGER_UNIT_BYTES,
			 count * PAGER_UNIT_BYTES) != 0 ? -EBUSY : 0;
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
