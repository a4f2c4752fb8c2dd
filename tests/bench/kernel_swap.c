/* SPDX-License-Identifier: MIT */
/* See kernel_swap.h.  Not a general cgroup library: one group, one limit. */
#include "tests/bench/kernel_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <time.h>
#include <unistd.h>

enum {
	SWAP_PAGE_BYTES = 4096,
	GROUP_BUSY_TRIES = 250,		/* a group empties soon after exit */
	GROUP_BUSY_NS = 20 * 1000 * 1000,
};

/* ---- small files of the kernel */

static int write_text(const char *folder, const char *name, const char *text)
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

/* Is `word` one of the blank-separated words of the file? */
static bool file_has_word(const char *folder, const char *name,
			  const char *word)
{
	char path[600], found[64];
	bool has = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!has && fscanf(f, "%63s", found) == 1)
		has = strcmp(found, word) == 0;
	fclose(f);
	return has;
}

/* ---- the group */

/* Where the memory controller is mounted.  The first mount that has it; a
 * controller is in one hierarchy only. */
static bool find_controller(char *ret_mount, size_t size, bool *ret_is_v2)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	bool is_found = false;

	if (mounts == NULL)
		return false;
	while (!is_found && (m = getmntent(mounts)) != NULL) {
		if (strcmp(m->mnt_type, "cgroup") == 0) {
			is_found = hasmntopt(m, "memory") != NULL;
			*ret_is_v2 = false;
		} else if (strcmp(m->mnt_type, "cgroup2") == 0) {
			is_found = file_has_word(m->mnt_dir,
						 "cgroup.controllers",
						 "memory");
			*ret_is_v2 = true;
		}
		if (is_found)
			snprintf(ret_mount, size, "%s", m->mnt_dir);
	}
	endmntent(mounts);
	return is_found;
}

/* Version 2 gives a group only the controllers that its parent passes on. */
static int pass_on_memory(struct kernel_swap *ks, const char *mount)
{
	int err;

	if (file_has_word(mount, "cgroup.subtree_control", "memory"))
		return 0;
	err = write_text(mount, "cgroup.subtree_control", "+memory");
	if (err == 0)
		snprintf(ks->control_path, sizeof(ks->control_path), "%s",
			 mount);
	return err;
}

static int group_create(struct kernel_swap *ks, const char *mount,
			uint64_t limit_bytes)
{
	char limit[32];

	if (mkdir(ks->group_path, 0755) != 0) {
		int err = -errno;

		ks->group_path[0] = '\0';
		return err;
	}
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)limit_bytes);
	if (!ks->is_v2)
		return write_text(ks->group_path, "memory.limit_in_bytes",
				  limit);
	if (!file_has_word(ks->group_path, "cgroup.controllers", "memory")) {
		int err = pass_on_memory(ks, mount);

		if (err != 0)
			return err;
	}
	return write_text(ks->group_path, "memory.max", limit);
}

static int group_setup(struct kernel_swap *ks, uint64_t limit_bytes,
		       char *reason, size_t reason_size)
{
	char mount[256];
	int err;

	if (!find_controller(mount, sizeof(mount), &ks->is_v2)) {
		snprintf(reason, reason_size,
			 "no cgroup with the memory controller is mounted");
		return -1;
	}
	snprintf(ks->group_path, sizeof(ks->group_path), "%s/memd-bench.%d",
		 mount, (int)getpid());
	err = group_create(ks, mount, limit_bytes);
	if (err == 0)
		return 0;
	snprintf(reason, reason_size, "no memory cgroup below %s: %s", mount,
		 strerror(-err));
	return -1;
}

static int group_remove(struct kernel_swap *ks)
{
	const struct timespec pause = { .tv_nsec = GROUP_BUSY_NS };
	int err = 0;

	if (ks->group_path[0] == '\0')
		return 0;
	for (unsigned i = 0; i < GROUP_BUSY_TRIES; i++) {
		err = rmdir(ks->group_path) != 0 ? -errno : 0;
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (err != 0)
		fprintf(stderr, "paging: cannot remove %s: %s\n",
			ks->group_path, strerror(-err));
	if (ks->control_path[0] != '\0')
		(void)write_text(ks->control_path, "cgroup.subtree_control",
				 "-memory");
	ks->group_path[0] = ks->control_path[0] = '\0';
	return err != 0 ? -1 : 0;
}

/* ---- the swap file */

/* What mkswap(8) writes: the first page of a swap area, version 1. */
static int write_swap_header(int fd, uint64_t swap_bytes)
{
	uint8_t page[SWAP_PAGE_BYTES] = { 0 };
	struct {
		uint32_t version, last_page, bad_page_count;
	} info = {
		.version = 1,
		.last_page = (uint32_t)(swap_bytes / SWAP_PAGE_BYTES) - 1,
	};
	static const char magic[10] = { 'S', 'W', 'A', 'P', 'S',
					'P', 'A', 'C', 'E', '2' };
	ssize_t n;

	memcpy(page + 1024, &info, sizeof(info));
	memcpy(page + sizeof(page) - sizeof(magic), magic, sizeof(magic));
	n = pwrite(fd, page, sizeof(page), 0);
	if (n == (ssize_t)sizeof(page))
		return 0;
	return n < 0 ? -errno : -EIO;
}

static int swap_file_create(const char *path, uint64_t swap_bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t)swap_bytes) != 0)
		err = -errno;
	if (err == 0)
		err = write_swap_header(fd, swap_bytes);
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
	close(fd);
	return err;
}

/* At the highest priority, so that swap the machine has already stays out. */
static int swap_setup(struct kernel_swap *ks, const char *folder,
		      uint64_t swap_bytes, char *reason, size_t reason_size)
{
	const int flags = SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK;
	int err;

	snprintf(ks->swap_path, sizeof(ks->swap_path), "%s/kernel.swap",
		 folder);
	err = swap_file_create(ks->swap_path, swap_bytes);
	if (err != 0) {
		snprintf(reason, reason_size, "no swap file in %s: %s", folder,
			 strerror(-err));
		return -1;
	}
	if (swapon(ks->swap_path, flags) != 0) {
		snprintf(reason, reason_size, "swapon(%s): %s", ks->swap_path,
			 strerror(errno));
		return -1;
	}
	ks->is_swapping = true;
	return 0;
}

static int swap_remove(struct kernel_swap *ks)
{
	int result = 0;

	if (ks->swap_path[0] == '\0')
		return 0;
	if (ks->is_swapping && swapoff(ks->swap_path) != 0) {
		fprintf(stderr, "paging: swapoff %s: %s\n", ks->swap_path,
			strerror(errno));
		return -1;	/* the file is still in use: leave it */
	}
	ks->is_swapping = false;
	if (unlink(ks->swap_path) != 0 && errno != ENOENT) {
		perror(ks->swap_path);
		result = -1;
	}
	ks->swap_path[0] = '\0';
	return result;
}

/* ---- both */

int kernel_swap_create(struct kernel_swap *ks, const char *folder,
		       uint64_t limit_bytes, uint64_t swap_bytes,
		       char *reason, size_t reason_size)
{
	*ks = (struct kernel_swap){ 0 };
	if (geteuid() != 0) {
		snprintf(reason, reason_size,
			 "a memory cgroup and swapon(2) need root");
		return -1;
	}
	if (group_setup(ks, limit_bytes, reason, reason_size) == 0 &&
	    swap_setup(ks, folder, swap_bytes, reason, reason_size) == 0)
		return 0;
	(void)kernel_swap_destroy(ks);
	return -1;
}

int kernel_swap_join(const struct kernel_swap *ks)
{
	return write_text(ks->group_path, "cgroup.procs", "0");
}

int kernel_swap_destroy(struct kernel_swap *ks)
{
	int swap_result = swap_remove(ks);
	int group_result = group_remove(ks);

	return swap_result != 0 || group_result != 0 ? -1 : 0;
}
