/* SPDX-License-Identifier: MIT */
/* See machine.h.  What cannot be found out stays "unknown" or -1. */
#include "tests/bench/machine.h"

#include "common/clock.h"
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { CLOCK_READINGS = 100000 };

static long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static bool is_switched_on(const char *path)
{
	FILE *f = fopen(path, "re");
	int c;

	if (f == NULL)
		return false;
	c = fgetc(f);
	fclose(f);
	return c == 'Y' || c == '1';
}

/* Is the file or folder `path` at or below `mount`? */
static bool is_below(const char *path, const char *mount)
{
	size_t n = strlen(mount);

	if (strcmp(mount, "/") == 0)
		return true;
	return strncmp(path, mount, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

/* The type of the last and longest mount above the folder. */
static void find_filesystem(const char *folder, char *ret_type, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	char path[PATH_MAX];
	struct mntent *m;
	size_t best = 0;

	snprintf(ret_type, size, "unknown");
	if (mounts == NULL)
		return;
	while (realpath(folder, path) != NULL &&
	       (m = getmntent(mounts)) != NULL) {
		if (is_below(path, m->mnt_dir) && strlen(m->mnt_dir) >= best) {
			best = strlen(m->mnt_dir);
			snprintf(ret_type, size, "%s", m->mnt_type);
		}
	}
	endmntent(mounts);
}

static double measure_clock(void)
{
	uint64_t begin = clock_now_ns(), now = begin;

	for (unsigned i = 0; i < CLOCK_READINGS; i++)
		now = clock_now_ns();
	return (double)(now - begin) / CLOCK_READINGS;
}

void machine_describe(const char *folder, struct machine *ret_machine)
{
	struct machine m = {
		.kernel = "unknown",
		.cpu_count = sysconf(_SC_NPROCESSORS_ONLN),
		.swappiness = read_number("/proc/sys/vm/swappiness"),
		.page_cluster = read_number("/proc/sys/vm/page-cluster"),
		.has_zswap =
			is_switched_on("/sys/module/zswap/parameters/enabled"),
		.load = -1,
		.clock_ns = measure_clock(),
	};
	long page_kib = sysconf(_SC_PAGESIZE) / 1024;
	struct utsname uts;

	m.memory_mib = sysconf(_SC_PHYS_PAGES) / (1024 / page_kib);
	if (uname(&uts) == 0)
		snprintf(m.kernel, sizeof(m.kernel), "%.70s", uts.release);
	snprintf(m.version, sizeof(m.version), "%.*s",
		 (int)strspn(m.kernel, "0123456789."), m.kernel);
	find_filesystem(folder, m.filesystem, sizeof(m.filesystem));
	if (getloadavg(&m.load, 1) != 1)
		m.load = -1;
	*ret_machine = m;
}
