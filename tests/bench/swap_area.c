/* SPDX-License-Identifier: MIT */
/* See swap_area.h. */
#include "tests/bench/swap_area.h"

#include "tests/bench/kernel_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#define ZRAM_CONTROL "/sys/class/zram-control"

enum { SWAP_PAGE_BYTES = 4096 };

/* What mkswap(8) writes: the first page of a swap area, version 1. */
static int write_header(int fd, uint64_t bytes)
{
	uint8_t page[SWAP_PAGE_BYTES] = { 0 };
	struct {
		uint32_t version, last_page, bad_page_count;
	} info = {
		.version = 1,
		.last_page = (uint32_t)(bytes / SWAP_PAGE_BYTES) - 1,
	};
	static const char magic[10] = { 'S', 'W', 'A', 'P', 'S',
					'P', 'A', 'C', 'E', '2' };
	ssize_t n;

	memcpy(page + 1024, &info, sizeof(info));
	memcpy(page + sizeof(page) - sizeof(magic), magic, sizeof(magic));
	n = pwrite(fd, page, sizeof(page), 0);
	if (n != (ssize_t)sizeof(page))
		return n < 0 ? -errno : -EIO;
	return fsync(fd) != 0 ? -errno : 0;
}

int swap_area_create_file(struct swap_area *a, const char *path,
			  uint64_t bytes, char *reason, size_t reason_size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err = 0;

	*a = (struct swap_area){ 0 };
	if (fd < 0) {
		err = -errno;
	} else {
		snprintf(a->path, sizeof(a->path), "%s", path);
		if (fallocate(fd, 0, 0, (off_t)bytes) != 0)
			err = -errno;
		if (err == 0)
			err = write_header(fd, bytes);
		close(fd);
	}
	if (err == 0)
		return 0;
	snprintf(reason, reason_size, "no swap file %s: %s", path,
		 strerror(-err));
	return -1;
}

/* ---- zram */

static void zram_folder(const struct swap_area *a, char *to, size_t size)
{
	snprintf(to, size, "/sys/block/zram%ld", a->zram_idx);
}

static int format_zram(struct swap_area *a, uint64_t bytes)
{
	char folder[64], size[32];
	int fd, err;

	zram_folder(a, folder, sizeof(folder));
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	err = kernel_file_write(folder, "disksize", size);
	if (err != 0)
		return err;
	snprintf(a->path, sizeof(a->path), "/dev/zram%ld", a->zram_idx);
	fd = open(a->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_header(fd, bytes);
	close(fd);
	return err;
}

int swap_area_create_zram(struct swap_area *a, uint64_t bytes, char *reason,
			  size_t reason_size)
{
	int err;

	*a = (struct swap_area){ 0 };
	if (access(ZRAM_CONTROL, F_OK) != 0) {
		snprintf(reason, reason_size, "the kernel has no zram (module "
			 "not there or not loaded)");
		return -1;
	}
	/* To read is to make one. */
	a->zram_idx = kernel_file_number(ZRAM_CONTROL, "hot_add");
	if (a->zram_idx < 0) {
		snprintf(reason, reason_size, "the kernel makes no zram");
		return -1;
	}
	a->is_zram = true;
	err = format_zram(a, bytes);
	if (err == 0)
		return 0;
	snprintf(reason, reason_size, "zram%ld cannot be set up: %s",
		 a->zram_idx, strerror(-err));
	return -1;
}

static int remove_zram(struct swap_area *a)
{
	char folder[64], number[32];
	int err;

	zram_folder(a, folder, sizeof(folder));
	snprintf(number, sizeof(number), "%ld", a->zram_idx);
	err = kernel_file_write(folder, "reset", "1");
	if (err == 0)
		err = kernel_file_write(ZRAM_CONTROL, "hot_remove", number);
	if (err != 0)
		fprintf(stderr, "paging: zram%ld stays behind: %s\n",
			a->zram_idx, strerror(-err));
	a->is_zram = false;
	return err != 0 ? -1 : 0;
}

/* ---- both */

int swap_area_switch_on(struct swap_area *a)
{
	if (swapon(a->path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) != 0)
		return -errno;
	a->is_on = true;
	return 0;
}

int swap_area_switch_off(struct swap_area *a)
{
	if (a->is_on && swapoff(a->path) != 0)
		return -errno;
	a->is_on = false;
	return 0;
}

int swap_area_destroy(struct swap_area *a)
{
	int err = swap_area_switch_off(a), result = 0;

	if (err != 0) {
		fprintf(stderr, "paging: swapoff %s: %s\n", a->path,
			strerror(-err));
		return -1;	/* it is in use: leave it */
	}
	if (a->is_zram) {
		result = remove_zram(a);
	} else if (a->path[0] != '\0' && unlink(a->path) != 0 &&
		   errno != ENOENT) {
		perror(a->path);
		result = -1;
	}
	a->path[0] = '\0';
	return result;
}
