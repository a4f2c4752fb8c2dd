/* SPDX-License-Identifier: MIT */
/* See memory_group.h. */
#include "tests/integration/memory_group.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BUSY_TRIES = 250,		/* a group empties soon after exit */
	BUSY_NS = 20 * 1000 * 1000,
};

static int write_file(const char *folder, const char *name, const char *text)
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
static bool has_word(const char *folder, const char *name, const char *word)
{
	bool has = false;
	char text[600];
	FILE *f;

	snprintf(text, sizeof(text), "%s/%s", folder, name);
	f = fopen(text, "re");
	if (f == NULL)
		return false;
	while (!has && fscanf(f, "%63s", text) == 1)
		has = strcmp(text, word) == 0;
	fclose(f);
	return has;
}

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
			is_found = has_word(m->mnt_dir, "cgroup.controllers",
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
static int pass_on_memory(struct memory_group *g, const char *mount)
{
	int err;

	if (has_word(mount, "cgroup.subtree_control", "memory"))
		return 0;
	err = write_file(mount, "cgroup.subtree_control", "+memory");
	if (err == 0)
		snprintf(g->control_path, sizeof(g->control_path), "%s",
			 mount);
	return err;
}

int memory_group_limit(const struct memory_group *g, uint64_t limit_bytes)
{
	char limit[32];

	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)limit_bytes);
	return write_file(g->path, g->is_v2 ? "memory.max" :
			  "memory.limit_in_bytes", limit);
}

static int make_group(struct memory_group *g, const char *mount,
		      uint64_t limit_bytes)
{
	if (mkdir(g->path, 0755) != 0) {
		int err = -errno;

		g->path[0] = '\0';
		return err;
	}
	if (g->is_v2 && !has_word(g->path, "cgroup.controllers", "memory")) {
		int err = pass_on_memory(g, mount);

		if (err != 0)
			return err;
	}
	return memory_group_limit(g, limit_bytes);
}

int memory_group_create(struct memory_group *g, uint64_t limit_bytes,
			char *reason, size_t reason_size)
{
	char mount[256];
	int err;

	*g = (struct memory_group){ 0 };
	if (!find_controller(mount, sizeof(mount), &g->is_v2)) {
		snprintf(reason, reason_size,
			 "no cgroup with the memory controller is mounted");
		return -1;
	}
	snprintf(g->path, sizeof(g->path), "%s/memd-test.%d", mount,
		 (int)getpid());
	err = make_group(g, mount, limit_bytes);
	if (err == 0)
		return 0;
	snprintf(reason, reason_size, "no memory cgroup below %s: %s", mount,
		 strerror(-err));
	return -1;
}

int memory_group_join(const struct memory_group *g)
{
	return write_file(g->path, "cgroup.procs", "0");
}

int memory_group_destroy(struct memory_group *g)
{
	const struct timespec pause = { .tv_nsec = BUSY_NS };
	int err = 0;

	if (g->path[0] == '\0')
		return 0;
	for (unsigned i = 0; i < BUSY_TRIES; i++) {
		err = rmdir(g->path) != 0 ? -errno : 0;
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (err != 0)
		fprintf(stderr, "cannot remove %s: %s\n", g->path,
			strerror(-err));
	if (g->control_path[0] != '\0')
		(void)!write_file(g->control_path, "cgroup.subtree_control",
				  "-memory");
	g->path[0] = g->control_path[0] = '\0';
	return err != 0 ? -1 : 0;
}
