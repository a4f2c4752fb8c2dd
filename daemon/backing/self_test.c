/* SPDX-License-Identifier: MIT */
/* A capture in small.  A kernel whose splice copies the page would pass every
 * other test, and lose each write that comes between the splice and the punch.
 *
 *   write OLD    splice    write LAST    punch    write NEW    read
 *
 * The read must give LAST.  OLD: the splice has copied.  NEW: the punch has not
 * taken the page out of the file. */
#include "daemon/backing/self_test.h"

#include "daemon/backing/capture_pipes.h"
#include "daemon/backing/punch_helper.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	UNITS = 4,
	BYTES = UNITS * PAGER_UNIT_BYTES,
	OLD = 0x11, LAST = 0x22, NEW = 0x33,
};

struct trial {
	int fd;
	uint8_t *memory;		/* the file, as a client maps it */
	struct capture_pipes pipes;
	uint8_t captured[BYTES];
};

static int trial_init(struct trial *t)
{
	int err = capture_pipes_init(&t->pipes);

	if (err != 0)
		return err;
	t->fd = memfd_create("memd:self-test", MFD_CLOEXEC);
	if (t->fd < 0 || ftruncate(t->fd, BYTES) != 0)
		return -errno;
	t->memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 t->fd, 0);
	if (t->memory == MAP_FAILED)
		return -errno;
	/* A part of a huge page would stay in the file (B4). */
	(void)madvise(t->memory, BYTES, MADV_NOHUGEPAGE);
	return 0;
}

static void trial_fini(struct trial *t)
{
	capture_pipes_fini(&t->pipes);
	if (t->memory != MAP_FAILED)
		munmap(t->memory, BYTES);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

static bool is_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_blocks == 0;
}

/* The units differ, so that units in the wrong order are found, too. */
static void trial_write(struct trial *t, unsigned value)
{
	for (size_t i = 0; i < UNITS; i++)
		memset(t->memory + i * PAGER_UNIT_BYTES, (int)(value + i),
		       PAGER_UNIT_BYTES);
}

static bool has_captured(const struct trial *t, unsigned value)
{
	for (size_t i = 0; i < BYTES; i++)
		if (t->captured[i] != value + i / PAGER_UNIT_BYTES)
			return false;
	return true;
}

static int trial_run(struct trial *t)
{
	struct pager_capture c = { .count = UNITS, .to = t->captured };
	uint64_t taken, next_data;
	int err;

	trial_write(t, OLD);
	capture_pipes_start(&t->pipes);
	err = capture_pipes_take(&t->pipes, t->fd, 0, BYTES, &taken);
	if (err != 0)
		return err;
	trial_write(t, LAST);
	err = punch_range(t->fd, 0, BYTES, &next_data);
	if (err != 0)
		return err;
	if (!is_empty(t->fd))
		return -ENOTSUP;
	trial_write(t, NEW);
	capture_pipes_read(&t->pipes, &c, taken);
	return c.lost_end == 0 && has_captured(t, LAST) ? 0 : -ENOTSUP;
}

int capture_self_test(void)
{
	struct trial *t = calloc(1, sizeof(*t));
	int err;

	if (t == NULL)
		return -ENOMEM;
	t->fd = -1;
	t->memory = MAP_FAILED;
	err = trial_init(t);
	if (err == 0)
		err = trial_run(t);
	trial_fini(t);
	return err;
}
