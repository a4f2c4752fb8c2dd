/* SPDX-License-Identifier: MIT */
#include "common/text_file.h"

#include "common/units.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *text_file_kind(mode_t mode)
{
	return S_ISDIR(mode) ? "directory" : S_ISFIFO(mode) ? "FIFO" :
	       S_ISSOCK(mode) ? "socket" : "device";
}

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static int check_kind(const struct stat *st, char *reason, size_t size)
{
	if (S_ISREG(st->st_mode) || is_null_device(st))
		return 0;
	snprintf(reason, size, "not a regular file, but a %s",
		 text_file_kind(st->st_mode));
	return S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
}

static int text_file_fail(int error, char *reason, size_t size)
{
	snprintf(reason, size, "cannot be read: %s", strerror(error));
	return -error;
}

static int refuse_size(size_t bytes_max, char *reason, size_t size)
{
	char most[16];

	snprintf(reason, size, "larger than %s",
		 units_format_size(bytes_max, most, sizeof(most)));
	return -EFBIG;
}

/* Open a regular file.  Returns the descriptor or -errno.  The kind is checked
 * before opening, because opening a device may have effects.  It is checked
 * again after opening, because the path may have changed meanwhile; with
 * O_NONBLOCK, open() does not block on a FIFO. */
static int open_file(const char *path, struct stat *ret_st, char *reason,
		     size_t size)
{
	int fd, err;

	if (stat(path, ret_st) != 0)
		return text_file_fail(errno, reason, size);
	err = check_kind(ret_st, reason, size);
	if (err != 0)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return text_file_fail(errno, reason, size);
	err = fstat(fd, ret_st) == 0 ? check_kind(ret_st, reason, size) :
				       text_file_fail(errno, reason, size);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

/* Allocate room for the largest allowed size at once: memory that is not
 * written costs nothing.  Try to read one byte more, because the file may grow
 * while it is read, and files in /proc say that they are empty. */
static int read_all(int fd, size_t bytes_max, struct text_file *file,
		    char *reason, size_t size)
{
	ssize_t n = 1;

	file->text = malloc(bytes_max + 1);
	if (file->text == NULL)
		return text_file_fail(ENOMEM, reason, size);
	while (n != 0 && file->length <= bytes_max) {
		n = read(fd, file->text + file->length,
			 bytes_max + 1 - file->length);
		if (n < 0 && errno != EINTR)
			return text_file_fail(errno, reason, size);
		file->length += n > 0 ? (size_t)n : 0;
	}
	return file->length <= bytes_max ? 0 :
		refuse_size(bytes_max, reason, size);
}

int text_file_read(const char *path, size_t bytes_max,
		   struct text_file *ret_file, char *ret_reason,
		   size_t reason_size)
{
	struct text_file file = { 0 };
	int fd = open_file(path, &file.st, ret_reason, reason_size), err;

	if (fd < 0)
		return fd;
	if ((uint64_t)file.st.st_size > bytes_max)
		err = refuse_size(bytes_max, ret_reason, reason_size);
	else
		err = read_all(fd, bytes_max, &file, ret_reason, reason_size);
	close(fd);
	if (err == 0)
		*ret_file = file;
	else
		text_file_free(&file);
	return err;
}

void text_file_free(struct text_file *file)
{
	if (file->text != NULL)
		explicit_bzero(file->text, file->length);
	free(file->text);
	memset(file, 0, sizeof(*file));
}
