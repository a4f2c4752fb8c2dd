/* SPDX-License-Identifier: MIT */
/* See kernel_file.h. */
#include "tests/bench/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *open_for_reading(const char *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return fopen(path, "re");
}

int kernel_file_write(const char *folder, const char *name, const char *text)
{
	char path[600];
	ssize_t n;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n != (ssize_t)strlen(text))
		err = n < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

long kernel_file_number(const char *folder, const char *name)
{
	FILE *f = open_for_reading(folder, name);
	long value = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

bool kernel_file_has_word(const char *folder, const char *name,
			  const char *word)
{
	FILE *f = open_for_reading(folder, name);
	bool has = false;
	char found[64];

	if (f == NULL)
		return false;
	while (!has && fscanf(f, "%63s", found) == 1)
		has = strcmp(found, word) == 0;
	fclose(f);
	return has;
}
