/* SPDX-License-Identifier: MIT */
#include "daemon/admin/check.h"

#include "common/units.h"
#include "daemon/admin/check_hosts.h"
#include "daemon/admin/limits.h"
#include "daemon/system/names.h"
#include "daemon/backing/backing.h"
#include "daemon/system/system.h"
#include "swapstore/swapfile.h"
#include "swapstore/swapstore.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAPPINGS_MAX = 65530 };		/* vm.max_map_count, by default */

struct checkup {
	FILE *to;
	const struct config *config;
	bool is_running;		/* a memd answers at the socket */
	bool has_failed;
};

static void say(struct checkup *cu, enum check_answer answer, const char *topic,
		const char *format, ...) PRINTF_LIKE(4, 5);

static void say(struct checkup *cu, enum check_answer answer, const char *topic,
		const char *format, ...)
{
	static const char *const words[] = { "ok", "warn", "FAIL" };
	va_list args;

	fprintf(cu->to, "%-5s %s: ", words[answer], topic);
	va_start(args, format);
	vfprintf(cu->to, format, args);
	va_end(args);
	fputc('\n', cu->to);
	cu->has_failed |= answer == ANSWER_FAIL;
}

/* ---- the kernel */

static void check_kernel(struct checkup *cu)
{
	struct utsname name;
	int major, minor;

	if (uname(&name) != 0 ||
	    sscanf(name.release, "%d.%d", &major, &minor) != 2)
		say(cu, ANSWER_WARN, "kernel", "its version is not known; "
		    "memd needs Linux 5.14 or newer");
	else if (major < 5 || (major == 5 && minor < 14))
		say(cu, ANSWER_FAIL, "kernel", "Linux %s has no minor faults "
		    "on shared memory; install Linux 5.14 or newer",
		    name.release);
	else
		say(cu, ANSWER_OK, "kernel", "Linux %s%s", name.release,
		    major < 6 || (major == 6 && minor < 6) ?
			" (from 6.6 on a lost page is poisoned alone)" : "");
}

static void check_own_userfaultfd(struct checkup *cu)
{
	struct backing *backing;
	int err = backing_create(1, true, &backing);

	if (err == 0) {
		backing_destroy(backing);
		say(cu, ANSWER_OK, "userfaultfd", "memd can use it (it needs "
		    "user mode only)");
		return;
	}
	say(cu, ANSWER_FAIL, "userfaultfd", "%s; %s", strerror(-err),
	    err == -ENOSYS ? "use a kernel with CONFIG_USERFAULTFD=y" :
	    err == -EOPNOTSUPP ? "install Linux 5.14 or newer" :
	    "allow it in the container: docker run --security-opt "
	    "seccomp=unconfined, or a profile that has userfaultfd");
}

/* Without the flag USER_MODE_ONLY: whether faults inside system calls can be
 * served. */
static bool may_make_full_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void check_full_userfaultfd(struct checkup *cu)
{
	const char *device = "/dev/userfaultfd";

	if (access(device, R_OK | W_OK) == 0)
		say(cu, ANSWER_OK, "userfaultfd for programs",
		    "uid %u may open %s: system calls may be given managed "
		    "memory", getuid(), device);
	else if (may_make_full_userfaultfd())
		say(cu, ANSWER_OK, "userfaultfd for programs",
		    "uid %u may use it in full: system calls may be given "
		    "managed memory", getuid());
	else if (access(device, F_OK) == 0)
		say(cu, ANSWER_WARN, "userfaultfd for programs",
		    "uid %u may use it in user mode only: system calls on "
		    "missing pages fail with EFAULT; chgrp memd %s && chmod "
		    "0660 %s, then join that group: usermod -aG memd USER",
		    getuid(), device, device);
	else
		say(cu, ANSWER_WARN, "userfaultfd for programs",
		    "uid %u may use it in user mode only: system calls on "
		    "missing pages fail with EFAULT; sysctl "
		    "vm.unprivileged_userfaultfd=1", getuid());
}

static void check_io_uring(struct checkup *cu)
{
	struct swapstore_buffers buffers = {
		.length_bytes = (size_t)cu->config->staging_size,
	};
	bool is_wanted = strcmp(cu->config->store, "uring") == 0;
	int fd = memfd_create("memd:check", MFD_CLOEXEC);
	struct swapstore *store;
	int err;

	buffers.base = mmap(NULL, buffers.length_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || buffers.base == MAP_FAILED) {
		say(cu, ANSWER_FAIL, "io_uring", "no memory to try it");
		if (fd >= 0)
			close(fd);
		return;
	}
	err = store_uring_create(fd, 0, 1, &buffers,
				 (unsigned)cu->config->queue_depth, &store);
	if (err != 0) {
		close(fd);
		say(cu, is_wanted ? ANSWER_FAIL : ANSWER_WARN, "io_uring",
		    "%s: the slower store sync will be used; sysctl "
		    "kernel.io_uring_disabled=0, or allow it in the "
		    "container's seccomp profile", strerror(-err));
	} else {
		if (store_uring_has_fixed_buffers(store))
			say(cu, ANSWER_OK, "io_uring", "works, with registered "
			    "buffers");
		else
			say(cu, ANSWER_WARN, "io_uring", "works, but its "
			    "buffers cannot be registered: set "
			    "LimitMEMLOCK=64M (ulimit -l 65536)");
		swapstore_destroy(store);
	}
	munmap(buffers.base, buffers.length_bytes);
}

static void check_huge_pages(struct checkup *cu)
{
	const char *path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	char line[128];

	if (system_read_line(path, line, sizeof(line)) != 0)
		say(cu, ANSWER_OK, "shmem huge pages", "not in this kernel");
	else if (strstr(line, "[force]") != NULL)
		say(cu, ANSWER_WARN, "shmem huge pages", "forced on, which "
		    "memd cannot turn off for its own files; echo never > %s",
		    path);
	else
		say(cu, ANSWER_OK, "shmem huge pages", "%s (off for memd's "
		    "own files anyway)", line);
}

static void check_environment(struct checkup *cu)
{
	char variable[96], meant[64];
	const struct config_key *key;
	size_t idx = 0;

	while ((key = config_find_misspelt(&idx, variable,
					   sizeof(variable))) != NULL)
		say(cu, ANSWER_WARN, "settings", "%s in the environment sets "
		    "nothing; did you mean %s?", variable,
		    config_variable(key, meant, sizeof(meant)));
}

/* ---- limits */

static void check_limits(struct checkup *cu)
{
	static const struct {
		const char *topic;
		enum check_answer (*ask)(const struct config *config,
					 char ret_text[CHECK_TEXT_BYTES]);
		bool is_silent_when_ok;
	} rows[] = {
		{ "memory", limits_check_memory, false },
		{ "memory", limits_check_memory_high, true },
		{ "tasks", limits_check_tasks, false },
		{ "open files", limits_check_descriptors, false },
	};
	char text[CHECK_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum check_answer answer = rows[i].ask(cu->config, text);

		if (answer != ANSWER_OK || !rows[i].is_silent_when_ok)
			say(cu, answer, rows[i].topic, "%s", text);
	}
}

static void check_locked_memory(struct checkup *cu)
{
	struct rlimit limit;
	char need[16], have[16];

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	units_format_size(cu->config->staging_size, need, sizeof(need));
	units_format_size(limit.rlim_max, have, sizeof(have));
	if (limit.rlim_max == RLIM_INFINITY)
		say(cu, ANSWER_OK, "locked memory", "no limit");
	else if (limit.rlim_max >= cu->config->staging_size || geteuid() == 0)
		say(cu, ANSWER_OK, "locked memory", "buffers of %s, limit %s",
		    need, have);
	else
		say(cu, ANSWER_WARN, "locked memory", "buffers of %s are more "
		    "than the limit of %s, so io_uring copies more; set "
		    "LimitMEMLOCK=64M (ulimit -l 65536)", need, have);
}

static void check_mappings(struct checkup *cu)
{
	const struct config *config = cu->config;

	if (config->max_segments * 2 > MAPPINGS_MAX)
		say(cu, ANSWER_WARN, "mappings", "max_segments = %llu may need "
		    "more; sysctl vm.max_map_count=%llu",
		    (unsigned long long)config->max_segments,
		    (unsigned long long)config->max_segments * 4);
}

/* ---- files */

static bool answers(const struct config *config)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t length = strlen(config->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	bool is_there;

	if (fd < 0)
		return false;
	memcpy(sun.sun_path, config->socket, length);
	if (sun.sun_path[0] == '@')
		sun.sun_path[0] = '\0';
	else
		length++;
	is_there = connect(fd, (struct sockaddr *)&sun,
			   (socklen_t)(offsetof(struct sockaddr_un,
						sun_path) + length)) == 0;
	close(fd);
	return is_there;
}

/* The folder a path is in.  Returns buf. */
static char *folder_of(const char *path, char *buf, size_t size)
{
	char *slash;

	snprintf(buf, size, "%s", path);
	slash = strrchr(buf, '/');
	if (slash == buf)
		slash++;
	if (slash != NULL)
		*slash = '\0';
	return buf;
}

static bool is_something_else(const char *path)
{
	struct stat st;

	return path[0] == '/' && lstat(path, &st) == 0 &&
	       !S_ISSOCK(st.st_mode);
}

static void check_socket_group(struct checkup *cu)
{
	const char *group = cu->config->socket_group;
	gid_t gid;

	if (group[0] != '\0' && cu->config->socket[0] == '/' &&
	    names_await_group(group, CHECK_PATIENCE_MS, &gid) != 0)
		say(cu, ANSWER_FAIL, "socket", "socket_group: no group \"%s\" "
		    "here; groupadd --system %s, or give a number", group,
		    group);
}

static void check_socket(struct checkup *cu)
{
	const char *path = cu->config->socket;
	char folder[CONFIG_TEXT_BYTES];

	check_socket_group(cu);
	folder_of(path, folder, sizeof(folder));
	if (cu->is_running)
		say(cu, ANSWER_OK, "socket", "%s: a memd is running there",
		    path);
	else if (is_something_else(path))
		say(cu, ANSWER_FAIL, "socket", "%s: exists and is not a "
		    "socket; remove it, or choose another socket", path);
	else if (path[0] == '@')
		say(cu, ANSWER_OK, "socket", "%s is free", path);
	else if (access(folder, W_OK | X_OK) == 0)
		say(cu, ANSWER_OK, "socket", "%s can be made", path);
	else
		say(cu, errno == ENOENT ? ANSWER_FAIL : ANSWER_WARN, "socket",
		    "%s: %s; install -d -m 0755 -o %u %s", folder,
		    strerror(errno), geteuid(), folder);
}

static void check_free_disk(struct checkup *cu)
{
	const char *path = cu->config->swap_file;
	char folder[CONFIG_TEXT_BYTES], free_text[16], need_text[16];
	uint64_t there = 0, free_bytes;
	struct statvfs fs;
	struct stat st;

	if (statvfs(folder_of(path, folder, sizeof(folder)), &fs) != 0) {
		say(cu, ANSWER_FAIL, "free disk", "%s: %s; install -d -m 0700 "
		    "-o %u %s", folder, strerror(errno), geteuid(), folder);
		return;
	}
	if (fs.f_blocks == 0) {
		say(cu, ANSWER_OK, "free disk", "the file system of %s does "
		    "not say", folder);
		return;
	}
	if (stat(path, &st) == 0)
		there = (uint64_t)st.st_blocks * 512;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	units_format_size(free_bytes, free_text, sizeof(free_text));
	units_format_size(cu->config->swap_size, need_text,
			  sizeof(need_text));
	if (free_bytes + there < cu->config->swap_size)
		say(cu, ANSWER_FAIL, "free disk", "%s has %s free, swap_size "
		    "is %s; free some, set swap_size smaller, or put swap_file "
		    "elsewhere", folder, free_text, need_text);
	else
		say(cu, ANSWER_OK, "free disk", "%s has %s free for a swap "
		    "file of %s", folder, free_text, need_text);
}

static void check_swap_file(struct checkup *cu)
{
	const struct config *config = cu->config;
	char reason[1024];
	int err;

	swapfile_warn_copies(config->swap_file, reason, sizeof(reason));
	if (reason[0] != '\0')
		say(cu, ANSWER_WARN, "swap file", "%s", reason);
	err = swapfile_probe(config->swap_file, config->swap_size, reason,
			     sizeof(reason));
	/* The running memd holds it, perhaps as another user. */
	if (err != 0 && cu->is_running &&
	    (err == -EBUSY || err == -EACCES || err == -EPERM)) {
		say(cu, ANSWER_OK, "swap file", "%s: in use by the memd that "
		    "is running", config->swap_file);
		return;
	}
	if (err != 0)
		say(cu, ANSWER_FAIL, "swap file", "%s", reason);
	else
		say(cu, ANSWER_OK, "swap file", "%s can be used",
		    config->swap_file);
	check_free_disk(cu);
}

static void check_groups(struct checkup *cu)
{
	const char *group = cu->config->admin_group;
	gid_t gid;

	if (group[0] == '\0')
		say(cu, ANSWER_OK, "admin group", "none: only root and memd's "
		    "own user may administrate");
	else if (names_await_group(group, CHECK_PATIENCE_MS, &gid) == 0)
		say(cu, ANSWER_OK, "admin group", "%s is gid %u", group, gid);
	else
		say(cu, ANSWER_WARN, "admin group", "no group \"%s\" "
		    "here; groupadd --system %s", group, group);
}

static void check_other_hosts(struct checkup *cu)
{
	char text[CHECK_TEXT_BYTES];
	enum check_answer answer;

	if (cu->config->listen_tcp[0] == '\0')
		return;
	answer = cu->is_running ? ANSWER_OK : check_address(cu->config, text);
	if (answer != ANSWER_OK)
		say(cu, answer, "other hosts", "%s", text);
	answer = check_listening(cu->config, text);
	say(cu, answer, "other hosts", "%s", text);
	answer = check_tls_users(cu->config, text);
	if (answer != ANSWER_OK)
		say(cu, answer, "other hosts", "%s", text);
	answer = check_tcp_user(cu->config, text);
	if (answer != ANSWER_OK)
		say(cu, answer, "other hosts", "%s", text);
}

/* For whichever of the two they are. */
static void check_tls(struct checkup *cu)
{
	char texts[CHECK_CERTIFICATES_MAX][CHECK_TEXT_BYTES];
	enum check_answer answers[CHECK_CERTIFICATES_MAX];
	unsigned count;

	if (cu->config->listen_tcp[0] == '\0' &&
	    strcmp(cu->config->store, "remote") != 0)
		return;
	count = check_certificates(cu->config, answers, texts);
	for (unsigned i = 0; i < count; i++)
		say(cu, answers[i], "certificates", "%s", texts[i]);
}

static void check_remote_store(struct checkup *cu)
{
	const struct config *config = cu->config;
	char text[CHECK_TEXT_BYTES];

	say(cu, check_store(config, config->store_address, text), "store",
	    "%s", text);
	if (config->store_mirror[0] != '\0')
		say(cu, check_store(config, config->store_mirror, text),
		    "store", "%s", text);
}

/* Where pages go that leave the pool. */
static void check_pages_store(struct checkup *cu)
{
	const char *store = cu->config->store;

	if (strcmp(store, "remote") == 0) {
		check_remote_store(cu);
	} else if (strcmp(store, "mem") == 0) {
		say(cu, ANSWER_WARN, "store", "mem saves no memory and is for "
		    "tests; set store = auto");
	} else {
		check_io_uring(cu);
		check_swap_file(cu);
	}
}

int check_all(const struct config_origin *origin, FILE *to)
{
	struct config config;
	struct checkup cu = { .to = to, .config = &config };
	char reason[CONFIG_REASON_BYTES];

	system_raise_limits();
	if (config_load(origin, &config, reason, sizeof(reason)) != 0) {
		say(&cu, ANSWER_FAIL, "settings", "%s", reason);
		check_kernel(&cu);
		check_own_userfaultfd(&cu);
		check_full_userfaultfd(&cu);
		return EXIT_FAILURE;
	}
	say(&cu, ANSWER_OK, "settings", "%s",
	    config.file[0] != '\0' ? config.file : "no file, all defaults");
	check_environment(&cu);
	cu.is_running = answers(&config);
	check_kernel(&cu);
	check_own_userfaultfd(&cu);
	check_full_userfaultfd(&cu);
	check_huge_pages(&cu);
	check_limits(&cu);
	check_locked_memory(&cu);
	check_mappings(&cu);
	check_groups(&cu);
	check_socket(&cu);
	check_other_hosts(&cu);
	check_pages_store(&cu);
	check_tls(&cu);
	return cu.has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
