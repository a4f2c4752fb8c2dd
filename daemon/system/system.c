/* SPDX-License-Identifier: MIT */
#include "daemon/system/system.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define GROUPS_ROOT	"/sys/fs/cgroup"

int system_read_line(const char *path, char *ret_line, size_t line_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[512];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	close(fd);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	snprintf(ret_line, line_size, "%s", buf);
	return 0;
}

static uint64_t memory_total(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[256];

	if (f == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			break;
	fclose(f);
	return kib == 0 ? UINT64_MAX : (uint64_t)kib * 1024;
}

/* Version 1 of cgroups has no "max": without a limit, a file has the largest
 * number of whole pages below 2^63 bytes.  Pages have at most 256 KiB. */
#define LIMIT_MAX	((uint64_t)INT64_MAX - 256 * 1024)

/* Read a limit file: a number, or "max", which means UINT64_MAX. */
static uint64_t limit_in(const char *path)
{
	uint64_t limit;
	char line[64];

	if (system_read_line(path, line, sizeof(line)) != 0 ||
	    !isdigit((unsigned char)line[0]))
		return UINT64_MAX;
	limit = strtoull(line, NULL, 10);
	return limit > LIMIT_MAX ? UINT64_MAX : limit;
}

/* Lower *bytes to the smallest limit of the cgroup `group` and its parents. */
static void lower_by_cgroup(const char *root, const char *file, char *group,
			    uint64_t *bytes, char *source, size_t source_size)
{
	for (;;) {
		char path[1024];
		char *slash = strrchr(group, '/');
		uint64_t limit;

		snprintf(path, sizeof(path), "%s%s/%s", root, group, file);
		limit = limit_in(path);
		if (limit < *bytes) {
			*bytes = limit;
			snprintf(source, source_size, "%s", path);
		}
		if (slash == NULL)
			return;
		*slash = '\0';
	}
}

/* A limit of cgroups: its file in version 2; its controller and file in version
 * 1. file_v1 NULL: version 1 has no such limit. */
struct group_limit {
	const char *file;
	const char *controller, *file_v1;
};

/* Lower *value to the smallest limit that applies to the cgroups of a process,
 * which are in the file `groups`.  They are folders below `root`. */
static void lower_by_groups_in(const char *groups, const char *root,
			       const struct group_limit *gl, uint64_t *value,
			       char *source, size_t source_size)
{
	FILE *f = fopen(groups, "re");
	char line[1024], root_v1[512];

	if (f == NULL)
		return;
	snprintf(root_v1, sizeof(root_v1), "%s/%s", root, gl->controller);
	while (fgets(line, sizeof(line), f) != NULL) {
		char *names = strchr(line, ':');
		char *path = names == NULL ? NULL : strchr(names + 1, ':');

		if (path == NULL)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (names[1] == '\0')
			lower_by_cgroup(root, gl->file, path, value, source,
					source_size);
		else if (gl->file_v1 != NULL &&
			 strstr(names, gl->controller) != NULL)
			lower_by_cgroup(root_v1, gl->file_v1, path, value,
					source, source_size);
	}
	fclose(f);
}

static void lower_by_groups(const struct group_limit *gl, uint64_t *value,
			    char *source, size_t source_size)
{
	lower_by_groups_in("/proc/self/cgroup", GROUPS_ROOT, gl, value, source,
			   source_size);
}

static const struct group_limit memory_limit = {
	"memory.max", "memory", "memory.limit_in_bytes",
};

uint64_t system_memory_bytes(char *ret_source, size_t source_size)
{
	uint64_t bytes = memory_total();

	snprintf(ret_source, source_size, "MemTotal of /proc/meminfo");
	lower_by_groups(&memory_limit, &bytes, ret_source, source_size);
	return bytes;
}

uint64_t system_group_memory_in(const char *groups, const char *root)
{
	uint64_t bytes = UINT64_MAX;
	char source[128];

	lower_by_groups_in(groups, root, &memory_limit, &bytes, source,
			   sizeof(source));
	return bytes;
}

uint64_t system_group_memory(pid_t pid)
{
	char groups[64];

	snprintf(groups, sizeof(groups), "/proc/%d/cgroup", (int)pid);
	return system_group_memory_in(groups, GROUPS_ROOT);
}

uint64_t system_memory_high(char *ret_source, size_t source_size)
{
	static const struct group_limit gl = { "memory.high", "memory", NULL };
	uint64_t bytes = UINT64_MAX;

	snprintf(ret_source, source_size, "%s", "");
	lower_by_groups(&gl, &bytes, ret_source, source_size);
	return bytes;
}

uint64_t system_task_limit(char *ret_source, size_t source_size)
{
	static const struct group_limit gl = { "pids.max", "pids", "pids.max" };
	uint64_t tasks = UINT64_MAX;
	struct rlimit limit;

	snprintf(ret_source, source_size, "%s", "");
	/* This limit does not apply to root. */
	if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY) {
		tasks = limit.rlim_cur;
		snprintf(ret_source, source_size, "ulimit -u of this user");
	}
	lower_by_groups(&gl, &tasks, ret_source, source_size);
	return tasks;
}

static void raise_limit(__rlimit_resource_t resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit);
}

void system_raise_limits(void)
{
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_MEMLOCK);
}

uint64_t system_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	return limit.rlim_cur;
}

static int find_named_group(const char *name, gid_t *ret_gid)
{
	FILE *f = fopen("/etc/group", "re");
	struct group entry, *found = NULL;
	char buf[16384];
	int err = -ENOENT;

	if (f == NULL)
		return -errno;
	while (fgetgrent_r(f, &entry, buf, sizeof(buf), &found) == 0)
		if (strcmp(entry.gr_name, name) == 0) {
			*ret_gid = entry.gr_gid;
			err = 0;
			break;
		}
	fclose(f);
	return err;
}

int system_find_group(const char *text, gid_t *ret_gid)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return find_named_group(text, ret_gid);
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || number >= UINT32_MAX)
		return -ENOENT;
	*ret_gid = (gid_t)number;
	return 0;
}

/* If `name` is NULL, look for `uid`. */
static int find_in_passwd(const char *name, uid_t uid, uid_t *ret_uid,
			  gid_t *ret_gid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd entry, *found = NULL;
	char buf[16384];
	int err = -ENOENT;

	if (f == NULL)
		return -errno;
	while (fgetpwent_r(f, &entry, buf, sizeof(buf), &found) == 0)
		if (name != NULL ? strcmp(entry.pw_name, name) == 0 :
				   entry.pw_uid == uid) {
			*ret_uid = entry.pw_uid;
			*ret_gid = entry.pw_gid;
			err = 0;
			break;
		}
	fclose(f);
	return err;
}

int system_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return find_in_passwd(text, 0, ret_uid, ret_gid);
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || number >= UINT32_MAX)
		return -ENOENT;
	if (find_in_passwd(NULL, (uid_t)number, ret_uid, ret_gid) != 0) {
		*ret_uid = (uid_t)number;
		*ret_gid = (gid_t)-1;
	}
	return 0;
}

bool system_knows_all_users(void)
{
	unsigned long inside, outside, count;
	char line[128];

	return system_read_line("/proc/self/uid_map", line,
				sizeof(line)) == 0 &&
	       sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3 &&
	       inside == 0 && count >= UINT32_MAX;
}

char *system_printable(const char *from, char *to, size_t to_size)
{
	size_t i;

	for (i = 0; from[i] != '\0' && i + 1 < to_size; i++) {
		unsigned char ch = (unsigned char)from[i];

		to[i] = ch < ' ' || ch == 0x7f || ch == '"' || ch == '\\' ?
			'?' : (char)ch;
	}
	to[i] = '\0';
	return to;
}

void system_random(void *to, size_t length)
{
	ssize_t n;

	ASSERT(length <= 256);
	do {
		n = getrandom(to, length, 0);
	} while (n < 0 && errno == EINTR);
	ASSERT(n == (ssize_t)length);
}
