/* SPDX-License-Identifier: MIT */
/* Findings about files: memd's socket, the swap folder and the store. */
#include "daemon/findings/findings.h"

#include "common/units.h"
#include "swapstore/swapdir.h"
#include "swapstore/swapstore.h"
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CURE_IO_URING							\
	"allow it (sysctl kernel.io_uring_disabled=0, or the "		\
	"container's seccomp profile), or set store = sync"

static bool is_something_else(const char *path)
{
	struct stat st;

	return path[0] == '/' && lstat(path, &st) == 0 &&
	       !S_ISSOCK(st.st_mode);
}

void finding_socket(struct findings_ask *ask)
{
	const char *path = ask->config->socket, *folder;
	char copy[CONFIG_TEXT_BYTES];

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (ask->is_running)
		finding_ok(ask, "%s: a memd is running there", path);
	else if (is_something_else(path))
		finding_fail(ask, "%s: exists and is not a socket\nremove it, "
			     "or choose another socket", path);
	else if (path[0] == '@')
		finding_ok(ask, "%s is free", path);
	else if (access(folder, W_OK | X_OK) == 0)
		finding_ok(ask, "%s can be made", path);
	else
		finding_say(ask, errno == ENOENT ? FINDING_FAIL : FINDING_WARN,
			    "%s: %s\ninstall -d -m 0755 -o %u %s", folder,
			    strerror(errno), geteuid(), folder);
}

/* ---- the store */

void finding_mem(struct findings_ask *ask)
{
	if (strcmp(ask->config->store, "mem") == 0)
		finding_warn(ask, "mem keeps swap in memory, which saves none: "
			     "for tests only\nset store = auto");
}

/* Returns 0 or -errno. */
static int try_io_uring(const struct config *config, bool *ret_is_registered)
{
	struct swapstore_buffers buffers = {
		.length_bytes = (size_t)config->staging_size,
	};
	struct swapstore *store;
	int err;

	buffers.base = mmap(NULL, buffers.length_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	err = buffers.base == MAP_FAILED ? -ENOMEM :
	      store_uring_create(1, &buffers, (unsigned)config->queue_depth,
				 &store);
	if (err == 0) {
		*ret_is_registered = store_uring_has_fixed_buffers(store);
		swapstore_destroy(store);
	}
	if (buffers.base != MAP_FAILED)
		munmap(buffers.base, buffers.length_bytes);
	return err;
}

void finding_io_uring(struct findings_ask *ask)
{
	const char *store = ask->config->store;
	bool is_wanted = strcmp(store, "uring") == 0, is_registered = true;
	int err = ask->error;
	char size[16];

	units_format_size(ask->config->staging_size, size, sizeof(size));
	if (!is_wanted && strcmp(store, "auto") != 0)
		return;
	if (ask->moment == FINDING_CHECK)
		err = try_io_uring(ask->config, &is_registered);
	if (err != 0 && is_wanted)
		finding_fail(ask, "%s\n" CURE_IO_URING, strerror(-err));
	else if (err != 0)
		finding_warn(ask, "%s: the slower store sync is used\n"
			     CURE_IO_URING " to accept it", strerror(-err));
	else if (is_registered)
		finding_ok(ask, "works, with registered buffers");
	else
		finding_warn(ask, "works, but its buffers of %s cannot be "
			     "registered, so it copies more\nset "
			     "LimitMEMLOCK=64M (ulimit -l 65536)", size);
}

/* ---- the swap folder */

static bool has_swap_dir(const struct config *config)
{
	return strcmp(config->store, "mem") != 0 &&
	       strcmp(config->store, "remote") != 0;
}

void finding_swap_cached(struct findings_ask *ask)
{
	if (ask->is_cached)
		finding_warn(ask, "the file system of %s has no O_DIRECT: "
			     "swapped pages stay in the page cache too\nmove "
			     "swap_dir to ext4 or xfs", ask->config->swap_dir);
}

static void say_copies(struct findings_ask *ask, const struct swapdir *dir)
{
	const char *path = ask->config->swap_dir;

	if (dir->copies == SWAPDIR_COPIES_ALWAYS)
		finding_warn(ask, "the file system of %s copies what is "
			     "written, so writes can fail when the disk is "
			     "full\nput swap_dir on ext4 or xfs", path);
	else if (dir->has_snapshots)
		finding_warn(ask, "after a snapshot of the subvolume of %s, "
			     "writes need new room and fail when the disk is "
			     "full\nput swap_dir on a subvolume that nobody "
			     "takes snapshots of, or on ext4 or xfs", path);
}

/* With descriptors of swap files, a program can make a copy of one that shares
 * its blocks. */
static void say_shared(struct findings_ask *ask, const struct swapdir *dir)
{
	if (dir->can_share && !dir->is_apart &&
	    strcmp(ask->config->one_sided, "yes") == 0)
		finding_warn(ask, "programs that may write to the file system "
			     "of %s can make copies there of swap files that "
			     "they read, which share the blocks (FICLONE): "
			     "writes then need new room, and fail when the "
			     "disk is full\nmount a file system for "
			     "swap_dir alone, put it on ext4, or set "
			     "one_sided = no", ask->config->swap_dir);
}

void finding_swap_copies(struct findings_ask *ask)
{
	char reason[FINDING_TEXT_BYTES];
	struct swapdir dir;

	if (has_swap_dir(ask->config) &&
	    swapdir_probe(ask->config->swap_dir, 0, &dir, reason,
			  sizeof(reason)) == 0)
		say_copies(ask, &dir);
}

void finding_swap_shared(struct findings_ask *ask)
{
	char reason[FINDING_TEXT_BYTES];
	struct swapdir dir;

	if (has_swap_dir(ask->config) &&
	    swapdir_probe(ask->config->swap_dir, 0, &dir, reason,
			  sizeof(reason)) == 0)
		say_shared(ask, &dir);
}

void finding_swap_dir(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	char reason[FINDING_TEXT_BYTES], size[16];
	struct swapdir dir;
	int err;

	if (!has_swap_dir(config))
		return;
	units_format_size(config->swap_size, size, sizeof(size));
	err = swapdir_probe(config->swap_dir, config->swap_size, &dir, reason,
			    sizeof(reason));
	/* The running memd can use it, perhaps as another user, and has taken
	 * some of the room. */
	if (ask->is_running &&
	    (err == -ENOSPC || err == -EACCES || err == -EPERM))
		finding_ok(ask, "%s: in use by the memd that is running",
			   config->swap_dir);
	else if (err == -ENOSPC)
		finding_warn(ask, "%s", reason);
	else if (err != 0)
		finding_fail(ask, "%s", reason);
	else
		finding_ok(ask, "%s can be used, and there is room for %s",
			   config->swap_dir, size);
}
