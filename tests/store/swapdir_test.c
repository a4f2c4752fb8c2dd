/* SPDX-License-Identifier: MIT */
/* Proves which folders take swap files and which are refused: every refusal has
 * the error of swapdir.h, a reason of one line that names path, cause and cure,
 * and leaves nothing behind.  What is said of a file system (O_DIRECT, copies,
 * shared blocks) is so.  Files have no name, are allocated for real, and give
 * their room back when they are closed.
 *
 * What needs root, a loop device or seccomp says so where it has none. */
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include "swapstore/swapdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MIB = 1 << 20, NOBODY = 65534, NOT_HERE = 99 };

static int setup(void **state)
{
	struct scratch *sc = calloc(1, sizeof(*sc));

	assert_non_null(sc);
	scratch_create(sc);
	*state = sc;
	return 0;
}

static int teardown(void **state)
{
	scratch_remove(*state);
	free(*state);
	return 0;
}

static void open_well(const char *path, struct swapdir *ret_dir)
{
	char reason[512] = "";

	if (swapdir_open(path, ret_dir, reason, sizeof(reason)) != 0)
		fail_msg("refused: %s", reason);
}

static int make_well(const struct swapdir *dir, uint64_t bytes)
{
	char reason[512] = "";
	int fd = -1;

	if (swapdir_make(dir, bytes, NULL, &fd, reason, sizeof(reason)) != 0)
		fail_msg("refused: %s", reason);
	return fd;
}

static int lowest_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static unsigned entries_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

/* One line, the path first, then a cause and, after a semicolon, a cure. */
static void assert_is_reason(const char *reason, const char *path,
			     const char *word)
{
	size_t length = strlen(path);

	assert_memory_equal(reason, path, length);
	assert_memory_equal(reason + length, ": ", 2);
	assert_null(strchr(reason, '\n'));
	if (strstr(reason, word) == NULL || strstr(reason, "; ") == NULL)
		fail_msg("not in the reason: \"%s\": %s", word, reason);
}

/* Both ways to ask give this answer. */
static void assert_refused(const char *path, int err, const char *word)
{
	struct swapdir dir = { .fd = -7 };
	int before = lowest_descriptor();
	char reason[512] = "";

	assert_int_equal(swapdir_probe(path, MIB, &dir, reason,
				       sizeof(reason)), err);
	assert_is_reason(reason, path, word);
	reason[0] = '\0';
	assert_int_equal(swapdir_open(path, &dir, reason, sizeof(reason)),
			 err);
	assert_is_reason(reason, path, word);
	assert_int_equal(swapdir_open(path, &dir, NULL, 0), err);
	assert_int_equal(dir.fd, -7);
	assert_int_equal(lowest_descriptor(), before);
}

/* Run `fn` in a child; 0 is good, NOT_HERE skips. */
static void run_here(int (*fn)(void *arg), void *arg, const char *why_not)
{
	int result = run_in_child(fn, arg);

	if (result == NOT_HERE)
		skip_case("%s", why_not);
	assert_int_equal(result, 0);
}

/* ---- what works */

static void test_folder(void **state)
{
	const struct scratch *sc = *state;
	struct swapdir dir, probed;
	int before = lowest_descriptor();
	struct stat st[2];

	assert_int_equal(stat(sc->path, &st[0]), 0);
	assert_int_equal(swapdir_probe(sc->path, MIB, &probed, NULL, 0), 0);
	assert_int_equal(stat(sc->path, &st[1]), 0);
	assert_int_equal(st[0].st_mtim.tv_nsec, st[1].st_mtim.tv_nsec);
	assert_int_equal(probed.fd, -1);
	assert_int_equal(lowest_descriptor(), before);

	open_well(sc->path, &dir);
	assert_string_equal(dir.path, sc->path);
	assert_int_equal(probed.has_tmpfile, dir.has_tmpfile);
	assert_int_equal(probed.is_direct, dir.is_direct);
	assert_int_equal(probed.can_share, dir.can_share);
	assert_int_equal(probed.copies, dir.copies);
	assert_int_equal(probed.is_apart, dir.is_apart);
	assert_true(swapdir_free_bytes(&dir) > 0);
	assert_true(fcntl(dir.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(entries_in(sc->path), 0);
	swapdir_close(&dir);
	swapdir_close(&dir);
	swapdir_close(&probed);
	assert_int_equal(lowest_descriptor(), before);
}

static void test_relative_path(void **state)
{
	const struct scratch *sc = *state;
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct swapdir dir;

	assert_int_equal(chdir(sc->path), 0);
	open_well(".", &dir);
	assert_int_equal(fchdir(before), 0);
	close(before);
	/* The folder is what was opened, wherever the process goes. */
	close(make_well(&dir, MIB));
	swapdir_close(&dir);
}

/* Whatever the way in which the file was made. */
static void assert_is_swap_file(const struct swapdir *dir, int fd,
				uint64_t bytes)
{
	char *block = buffer_create(SWAP_SLOT_BYTES);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, bytes);
	assert_true((uint64_t)st.st_blocks * 512 >= bytes);
	assert_int_equal(entries_in(dir->path), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(dir->is_direct, (fcntl(fd, F_GETFL) & O_DIRECT) != 0);
	assert_int_equal(pread(fd, block, SWAP_SLOT_BYTES,
			       (off_t)(bytes - SWAP_SLOT_BYTES)),
			 SWAP_SLOT_BYTES);
	for (size_t i = 0; i < SWAP_SLOT_BYTES; i++)
		assert_int_equal(block[i], 0);
	pattern_fill(block, 3, 1, 1);
	assert_int_equal(pwrite(fd, block, SWAP_SLOT_BYTES, 0),
			 SWAP_SLOT_BYTES);
	memset(block, 0, SWAP_SLOT_BYTES);
	assert_int_equal(pread(fd, block, SWAP_SLOT_BYTES, 0),
			 SWAP_SLOT_BYTES);
	assert_true(pattern_is(block, 3, 1, 1));
	buffer_destroy(block, SWAP_SLOT_BYTES);
}

static void test_files(void **state)
{
	static const uint64_t sizes[] = { SWAP_SLOT_BYTES, MIB, 3 * MIB,
					  64 * MIB };
	const struct scratch *sc = *state;
	int before = lowest_descriptor(), fd[ARRAY_SIZE(sizes)];
	struct swapdir dir;
	mode_t mask = umask(0);

	open_well(sc->path, &dir);
	if (!dir.is_direct)
		print_message("no O_DIRECT in %s\n", sc->path);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		fd[i] = make_well(&dir, sizes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_is_swap_file(&dir, fd[i], sizes[i]);
		close(fd[i]);
	}
	umask(mask);
	swapdir_close(&dir);
	assert_int_equal(lowest_descriptor(), before);
}

/* The folder may go while it is open: no more files, and no crash. */
static void test_folder_is_removed(void **state)
{
	const struct scratch *sc = *state;
	char path[400], reason[512];
	struct swapdir dir;
	int fd, other;

	snprintf(path, sizeof(path), "%s/gone", sc->path);
	assert_int_equal(mkdir(path, 0700), 0);
	open_well(path, &dir);
	fd = make_well(&dir, MIB);
	assert_int_equal(rmdir(path), 0);
	/* There may be file systems that do not care. */
	if (swapdir_make(&dir, MIB, NULL, &other, reason,
			 sizeof(reason)) == 0)
		close(other);
	else
		assert_is_reason(reason, path, "was removed");
	close(fd);
	swapdir_close(&dir);
}

/* ---- what is refused */

static void test_no_folder(void **state)
{
	const struct scratch *sc = *state;
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/none", sc->path);
	assert_refused(path, -ENOENT, "mkdir -p");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_refused(path, -ENOTDIR, "not a folder");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_refused(path, -ENOENT, "does not exist");
}

/* Its owner could put a FUSE file system there. */
static void test_folder_of_somebody_else(void **state)
{
	const struct scratch *sc = *state;
	struct swapdir dir;

	if (geteuid() != 0)
		skip_case("only root can give folders away");
	assert_int_equal(chown(sc->path, NOBODY, NOBODY), 0);
	assert_refused(sc->path, -EPERM,
		       "belongs to uid 65534, memd runs as uid 0");
	assert_int_equal(chown(sc->path, 0, 0), 0);
	/* Who may write there does not matter. */
	assert_int_equal(chmod(sc->path, 0777), 0);
	open_well(sc->path, &dir);
	swapdir_close(&dir);
}

/* An ordinary user, in a folder of root's. */
static int open_as_nobody(void *arg)
{
	const struct scratch *sc = arg;
	struct swapdir dir;

	if (geteuid() != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return NOT_HERE;
	assert_refused(sc->path, -EACCES, "uid 65534 may not make files");
	open_well("/tmp", &dir);
	swapdir_close(&dir);
	return 0;
}

static void test_no_permission(void **state)
{
	const struct scratch *sc = *state;

	assert_int_equal(chmod(sc->path, 0755), 0);
	run_here(open_as_nobody, *state, "only root can become nobody");
}

static int set_file_limit(uint64_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	/* SIGXFSZ is at its default: it must not even be raised. */
	return setrlimit(RLIMIT_FSIZE, &limit);
}

static int make_over_limit(void *arg)
{
	const struct scratch *sc = arg;
	char reason[512] = "";
	struct swapdir dir;
	int fd = -7;

	if (set_file_limit(MIB) != 0)
		return 1;
	open_well(sc->path, &dir);
	close(make_well(&dir, MIB));
	assert_int_equal(swapdir_make(&dir, MIB + SWAP_SLOT_BYTES, NULL, &fd,
				      reason, sizeof(reason)), -EFBIG);
	assert_is_reason(reason, sc->path, "LimitFSIZE=");
	assert_int_equal(fd, -7);
	swapdir_close(&dir);
	/* The largest file that is made, and not all of them. */
	assert_int_equal(swapdir_probe(sc->path, 2 * MIB, &dir, reason,
				       sizeof(reason)), -EFBIG);
	assert_is_reason(reason, sc->path, "LimitFSIZE=");
	assert_int_equal(swapdir_probe(sc->path, MIB, &dir, reason,
				       sizeof(reason)), 0);
	if (set_file_limit(0) != 0)
		return 2;
	assert_refused(sc->path, -EFBIG, "LimitFSIZE=");
	/* A build with coverage writes a file at its end. */
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

static void test_file_size_limit(void **state)
{
	run_here(make_over_limit, *state, "");
}

/* A reason that does not fit is cut, never written past its end. */
static void test_small_reason(void **state)
{
	struct swapdir dir;

	(void)state;
	for (size_t size = 0; size < 100; size++) {
		char *reason = malloc(size + 1);

		assert_non_null(reason);
		reason[size] = '!';
		assert_int_equal(swapdir_open("/memd-none", &dir, reason,
					      size), -ENOENT);
		assert_int_equal(reason[size], '!');
		if (size > 0)
			assert_non_null(memchr(reason, '\0', size));
		free(reason);
	}
}

/* ---- file systems, mounted for a child alone */

/* The child is in a namespace of mounts of its own. */
static bool enter_namespace(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

struct memory_case {
	const struct scratch *sc;
	const char *type, *options, *word;
};

static int refuse_memory(void *arg)
{
	const struct memory_case *mc = arg;
	const char *path = mc->sc->path;

	if (!enter_namespace() ||
	    mount("none", path, mc->type, 0, mc->options) != 0)
		return NOT_HERE;
	assert_refused(path, -EINVAL, mc->word);
	assert_int_equal(entries_in(path), 0);
	return 0;
}

static void test_memory_is_refused(void **state)
{
	struct memory_case cases[] = {
		{ *state, "tmpfs", "size=4M,mode=755", "is a tmpfs" },
		{ *state, "ramfs", "mode=755", "is a ramfs" },
		{ *state, "hugetlbfs", "mode=755", "is a hugetlbfs" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_here(refuse_memory, &cases[i], "may not mount");
}

/* upper, work and merged in `base`; scratch_remove() removes no folders. */
static bool mount_overlay(const char *base, char merged[300])
{
	static const char *const names[] = { "lower", "upper", "work",
					     "merged" };
	char options[1000], path[300];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		if (mkdir(path, 0755) != 0)
			return false;
	}
	snprintf(options, sizeof(options), "lowerdir=%s/lower,"
		 "upperdir=%s/upper,workdir=%s/work", base, base, base);
	snprintf(merged, 300, "%s/merged", base);
	return mount("none", merged, "overlay", 0, options) == 0;
}

static int overlay_on_memory(void *arg)
{
	const struct scratch *sc = arg;
	char merged[300];

	if (!enter_namespace() ||
	    mount("none", sc->path, "tmpfs", 0, "size=4M,mode=755") != 0 ||
	    !mount_overlay(sc->path, merged))
		return NOT_HERE;
	assert_refused(merged, -EINVAL, "overlay on memory");
	return 0;
}

static void test_overlay_on_memory(void **state)
{
	run_here(overlay_on_memory, *state, "may not mount an overlay");
}

/* As fusermount mounts; it has no server, and none must be asked. */
static int refuse_fuse(void *arg)
{
	const struct scratch *sc = arg;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,"
		 "user_id=65534,group_id=65534", fd);
	if (fd < 0 || !enter_namespace() ||
	    mount("none", sc->path, "fuse", MS_NOSUID | MS_NODEV,
		  options) != 0)
		return NOT_HERE;
	assert_refused(sc->path, -EPERM, "FUSE");
	return 0;
}

static void test_fuse_of_a_user(void **state)
{
	run_here(refuse_fuse, *state, "may not mount FUSE");
}

/* Make and mount a file system in a file of the scratch folder, at `disk` in
 * it.  It goes when the child ends. */
static bool mount_image(const struct scratch *sc, const char *mkfs,
			unsigned mib, char disk[300])
{
	char command[1200];

	snprintf(disk, 300, "%s/disk", sc->path);
	if (!enter_namespace())
		return false;
	snprintf(command, sizeof(command), "exec >/dev/null 2>&1 && "
		 "cd '%s' && truncate -s %uM image && %s image && mkdir disk "
		 "&& mount -o loop image disk", sc->path, mib, mkfs);
	return system(command) == 0;
}

/* The parent's: what is left of mount_image(). */
static void remove_image(const struct scratch *sc)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/disk", sc->path);
	(void)rmdir(path);
}

static uint64_t free_on(const char *path)
{
	struct swapdir dir;
	uint64_t bytes;

	open_well(path, &dir);
	bytes = swapdir_free_bytes(&dir);
	swapdir_close(&dir);
	return bytes;
}

/* No room, with and without a warning in advance; what is closed is free. */
static int fill_ext4(void *arg)
{
	char disk[300], merged[300], reason[512] = "";
	int fds[64], count = 0, err = 0;
	struct swapdir dir, overlay;
	uint64_t before;

	if (!mount_image(arg, "mkfs.ext4 -q -m 0 -O ^has_journal", 32, disk))
		return NOT_HERE;
	open_well(disk, &dir);
	assert_true(dir.has_tmpfile);
	assert_true(dir.is_direct);
	assert_false(dir.can_share);
	assert_int_equal(dir.copies, SWAPDIR_COPIES_NEVER);
	if (rmdir(strcat(strcpy(merged, disk), "/lost+found")) != 0)
		return 2;
	before = swapdir_free_bytes(&dir);
	assert_int_equal(swapdir_make(&dir, 64 * MIB, NULL, &fds[0], reason,
				      sizeof(reason)), -ENOSPC);
	assert_is_reason(reason, disk, "needs 64.0M, the file system has 2");
	assert_int_equal(swapdir_free_bytes(&dir), before);
	assert_int_equal(swapdir_probe(disk, 64 * MIB, &overlay, reason,
				       sizeof(reason)), -ENOSPC);
	assert_is_reason(reason, disk, "needs 64.0M, the file system has 2");
	while (err == 0 && count < 64) {
		err = swapdir_make(&dir, MIB, NULL, &fds[count], reason,
				   sizeof(reason));
		count += err == 0;
	}
	assert_int_equal(err, -ENOSPC);
	assert_is_reason(reason, disk, "needs 1.0M");
	assert_in_range(count, 20, 32);
	for (int i = 0; i < count; i++) {
		assert_is_swap_file(&dir, fds[i], MIB);
		close(fds[i]);
	}
	assert_int_equal(swapdir_free_bytes(&dir), before);

	/* An overlay on a disk is as good as that. */
	if (mount_overlay(disk, merged)) {
		open_well(merged, &overlay);
		fds[0] = make_well(&overlay, MIB);
		assert_is_swap_file(&overlay, fds[0], MIB);
		close(fds[0]);
		swapdir_close(&overlay);
	}
	return 0;
}

static void test_full_disk(void **state)
{
	run_here(fill_ext4, *state, "no loop device, or no mkfs.ext4");
	remove_image(*state);
}

static int open_read_only(void *arg)
{
	const char *path = ((const struct scratch *)arg)->path;

	if (!enter_namespace() ||
	    mount(path, path, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
		  NULL) != 0)
		return NOT_HERE;
	assert_refused(path, -EROFS, "read-only");
	return 0;
}

static void test_read_only(void **state)
{
	run_here(open_read_only, *state, "may not mount");
}

/* Without copies, which has to be switched off; and blocks can be shared. */
static int open_btrfs(void *arg)
{
	int fd, copy, flags = 0;
	struct swapdir dir;
	char disk[300];

	if (!mount_image(arg, "mkfs.btrfs -q", 256, disk))
		return NOT_HERE;
	open_well(disk, &dir);
	assert_true(dir.can_share);
	assert_int_equal(dir.copies, SWAPDIR_COPIES_SHARED);
	fd = make_well(&dir, 16 * MIB);
	assert_is_swap_file(&dir, fd, 16 * MIB);
	assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	assert_true(flags & FS_NOCOW_FL);
	/* It is true that they can be shared. */
	copy = make_well(&dir, SWAP_SLOT_BYTES);
	assert_int_equal(ioctl(copy, FICLONE, fd), 0);
	close(copy);
	close(fd);
	return 0;
}

static void test_btrfs(void **state)
{
	run_here(open_btrfs, *state, "no loop device, or no mkfs.btrfs");
	remove_image(*state);
}

struct xfs_case {
	const struct scratch *sc;
	const char *mkfs;
	bool can_share;
	enum swapdir_copies copies;
};

static int open_xfs(void *arg)
{
	const struct xfs_case *xc = arg;
	struct swapdir dir;
	char disk[300];
	int fd;

	if (!mount_image(xc->sc, xc->mkfs, 512, disk))
		return NOT_HERE;
	open_well(disk, &dir);
	assert_int_equal(dir.can_share, xc->can_share);
	assert_int_equal(dir.copies, xc->copies);
	assert_true(dir.is_apart);
	fd = make_well(&dir, 16 * MIB);
	assert_is_swap_file(&dir, fd, 16 * MIB);
	close(fd);
	return 0;
}

static void test_xfs(void **state)
{
	struct xfs_case cases[] = {
		{ *state, "mkfs.xfs -q -f -m reflink=1", true,
		  SWAPDIR_COPIES_SHARED },
		{ *state, "mkfs.xfs -q -f -m reflink=0", false,
		  SWAPDIR_COPIES_NEVER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		run_here(open_xfs, &cases[i], "no loop device, or no mkfs.xfs");
		remove_image(*state);
	}
}

/* ---- without O_TMPFILE */

static bool forbid_tmpfile(void)
{
	return forbid_syscall_flags(SYS_openat, O_TMPFILE & ~O_DIRECTORY,
				    EOPNOTSUPP) == 0;
}

static int make_with_names(void *arg)
{
	const struct scratch *sc = arg;
	struct stat before, after;
	struct swapdir dir, probed;
	int fd;

	if (!forbid_tmpfile())
		return NOT_HERE;
	assert_int_equal(stat(sc->path, &before), 0);
	assert_int_equal(swapdir_probe(sc->path, MIB, &probed, NULL, 0), 0);
	assert_false(probed.has_tmpfile);
	assert_int_equal(stat(sc->path, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	open_well(sc->path, &dir);
	assert_false(dir.has_tmpfile);
	for (uint64_t bytes = MIB; bytes <= 4 * MIB; bytes += MIB) {
		fd = make_well(&dir, bytes);
		assert_is_swap_file(&dir, fd, bytes);
		close(fd);
	}
	swapdir_close(&dir);
	return 0;
}

static void test_no_tmpfile(void **state)
{
	run_here(make_with_names, *state, "no seccomp here");
}

static int probe_with_names(void *arg)
{
	const struct scratch *sc = arg;
	struct swapdir dir;

	if (geteuid() != 0 || !forbid_tmpfile() ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return NOT_HERE;
	assert_refused(sc->path, -EACCES, "uid 65534 may not");
	assert_int_equal(swapdir_probe("/tmp", MIB, &dir, NULL, 0), 0);
	return 0;
}

static void test_no_tmpfile_no_permission(void **state)
{
	const struct scratch *sc = *state;

	assert_int_equal(chmod(sc->path, 0755), 0);
	run_here(probe_with_names, *state, "not root, or no seccomp here");
}

/* Somebody who may write to the folder links or moves whatever appears. */
struct thief {
	const char *path;
	atomic_bool stops;
	unsigned stolen;
};

static void *steal(void *arg)
{
	struct thief *th = arg;
	int folder = open(th->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (!atomic_load(&th->stops)) {
		DIR *dir = fdopendir(openat(folder, ".", O_RDONLY |
					    O_DIRECTORY | O_CLOEXEC));
		const struct dirent *entry;
		char name[32];

		while ((entry = readdir(dir)) != NULL) {
			if (strncmp(entry->d_name, ".memd-", 6) != 0)
				continue;
			snprintf(name, sizeof(name), "stolen-%u", th->stolen);
			if ((th->stolen % 2 == 0 ?
			     linkat(folder, entry->d_name, folder, name, 0) :
			     renameat(folder, entry->d_name, folder,
				      name)) == 0)
				th->stolen++;
		}
		closedir(dir);
	}
	close(folder);
	return NULL;
}

/* How many files the thief has; one may have several names. */
static unsigned count_stolen(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	static ino_t seen[10000];
	unsigned count = 0;

	while ((entry = readdir(dir)) != NULL) {
		unsigned i = 0;

		if (strncmp(entry->d_name, "stolen-", 7) != 0)
			continue;
		while (i < count && seen[i] != entry->d_ino)
			i++;
		if (i == count && count < ARRAY_SIZE(seen))
			seen[count++] = entry->d_ino;
	}
	closedir(dir);
	return count;
}

/* Nobody keeps a file that is used: all that is kept was refused. */
static int make_beside_thief(void *arg)
{
	const struct scratch *sc = arg;
	struct thief th = { .path = sc->path };
	unsigned busy = 0;
	struct swapdir dir;
	pthread_t thread;

	open_well(sc->path, &dir);
	if (!forbid_tmpfile())
		return NOT_HERE;
	dir.has_tmpfile = false;
	if (pthread_create(&thread, NULL, steal, &th) != 0)
		return 1;
	for (int i = 0; i < 5000; i++) {
		char reason[512];
		struct stat st;
		int fd, err = swapdir_make(&dir, SWAP_SLOT_BYTES, NULL, &fd,
					   reason, sizeof(reason));

		if (err != 0) {
			assert_int_equal(err, -EBUSY);
			assert_is_reason(reason, sc->path, "somebody moves");
			busy++;
			continue;
		}
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_nlink, 0);
		close(fd);
	}
	atomic_store(&th.stops, true);
	pthread_join(thread, NULL);
	print_message("%u of 5000 files were refused\n", busy);
	assert_int_equal(count_stolen(sc->path), busy);
	swapdir_close(&dir);
	return 0;
}

static void test_thief(void **state)
{
	run_here(make_beside_thief, *state, "no seccomp here");
}

/* ---- system calls that fail in the middle */

struct breakage {
	const struct scratch *sc;
	long syscall;
	int err;
	const char *word;
};

static int make_broken(void *arg)
{
	const struct breakage *bk = arg;
	int fd = -7, before;
	char reason[512] = "";
	struct swapdir dir;

	open_well(bk->sc->path, &dir);
	before = lowest_descriptor();
	if (forbid_syscall(bk->syscall, bk->err) != 0)
		return NOT_HERE;
	assert_int_equal(swapdir_make(&dir, MIB, NULL, &fd, reason,
				      sizeof(reason)), -bk->err);
	assert_is_reason(reason, bk->sc->path, bk->word);
	assert_int_equal(fd, -7);
	assert_int_equal(lowest_descriptor(), before);
	return 0;
}

static void test_failing_calls(void **state)
{
	struct breakage table[] = {
		{ *state, SYS_fallocate, ENOSPC, "needs 1.0M, the file" },
		{ *state, SYS_fallocate, EDQUOT, "quota exceeded" },
		{ *state, SYS_fallocate, EIO, "no file of that size" },
		{ *state, SYS_openat, EMFILE, "no descriptor left" },
		{ *state, SYS_openat, ENOSPC, "no file can be made" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		run_here(make_broken, &table[i], "no seccomp here");
}

/* File systems without fallocate get zeros written. */
static int make_without_fallocate(void *arg)
{
	const struct scratch *sc = arg;
	struct swapdir dir;

	open_well(sc->path, &dir);
	if (forbid_syscall(SYS_fallocate, EOPNOTSUPP) != 0)
		return NOT_HERE;
	for (int round = 0; round < 2; round++) {
		uint64_t bytes = 3 * MIB + SWAP_SLOT_BYTES;
		int fd = make_well(&dir, bytes);

		assert_is_swap_file(&dir, fd, bytes);
		close(fd);
		dir.is_direct = false;	/* buffered */
	}
	swapdir_close(&dir);
	return 0;
}

static void test_no_fallocate(void **state)
{
	run_here(make_without_fallocate, *state, "no seccomp here");
}

static int fail_at_last(void *arg)
{
	const struct scratch *sc = arg;
	char reason[512] = "";
	struct swapdir dir;
	int fd;

	open_well(sc->path, &dir);
	if (forbid_syscall(SYS_fallocate, EOPNOTSUPP) != 0 ||
	    forbid_syscall(SYS_fdatasync, ENOSPC) != 0)
		return NOT_HERE;
	assert_int_equal(swapdir_make(&dir, MIB, NULL, &fd, reason,
				      sizeof(reason)), -ENOSPC);
	assert_is_reason(reason, sc->path, "needs 1.0M");
	return 0;
}

static void test_no_room_on_the_way_to_the_disk(void **state)
{
	run_here(fail_at_last, *state, "no seccomp here");
}

/* ---- given up while it is made */

struct countdown {
	int left;
};

static bool is_asked_last(void *ctx)
{
	return --((struct countdown *)ctx)->left == 0;
}

static int make_cancelled(const struct swapdir *dir, int asked)
{
	struct countdown cd = { asked };
	const struct swapdir_cancel cancel = { is_asked_last, &cd };
	char reason[512] = "";
	int fd, err = swapdir_make(dir, 4 * MIB, &cancel, &fd, reason,
				   sizeof(reason));

	if (err == 0)
		close(fd);
	else
		assert_non_null(strstr(reason, "given up"));
	return err;
}

static int cancel_zeros(void *arg)
{
	const struct scratch *sc = arg;
	int before;
	struct swapdir dir;

	open_well(sc->path, &dir);
	if (forbid_syscall(SYS_fallocate, EOPNOTSUPP) != 0)
		return NOT_HERE;
	before = lowest_descriptor();
	/* Once for fallocate, and once for each MiB. */
	for (int asked = 1; asked <= 5; asked++)
		assert_int_equal(make_cancelled(&dir, asked), -ECANCELED);
	assert_int_equal(make_cancelled(&dir, 6), 0);
	assert_int_equal(lowest_descriptor(), before);
	assert_int_equal(entries_in(sc->path), 0);
	return 0;
}

static void test_cancelled(void **state)
{
	const struct scratch *sc = *state;
	struct swapdir dir;

	open_well(sc->path, &dir);
	assert_int_equal(make_cancelled(&dir, 1), -ECANCELED);
	assert_int_equal(make_cancelled(&dir, 2), 0);
	assert_int_equal(entries_in(sc->path), 0);
	swapdir_close(&dir);
	run_here(cancel_zeros, *state, "no seccomp here");
}

/* A file that is given up leaves no blocks behind. */
static int cancel_on_ext4(void *arg)
{
	struct swapdir dir;
	uint64_t before;
	char disk[300];

	if (!mount_image(arg, "mkfs.ext4 -q -m 0 -O ^has_journal", 32, disk) ||
	    forbid_syscall(SYS_fallocate, EOPNOTSUPP) != 0)
		return NOT_HERE;
	before = free_on(disk);
	open_well(disk, &dir);
	for (int asked = 1; asked <= 5; asked++)
		assert_int_equal(make_cancelled(&dir, asked), -ECANCELED);
	assert_int_equal(free_on(disk), before);
	return 0;
}

static void test_cancelled_leaves_no_blocks(void **state)
{
	run_here(cancel_on_ext4, *state, "no loop device, no mkfs.ext4, or no "
		 "seccomp here");
	remove_image(*state);
}

/* ---- several threads */

struct maker {
	const struct swapdir *dir;
	pthread_t thread;
	int fd[20];
	int err;
};

static void *make_many(void *arg)
{
	struct maker *mk = arg;

	for (size_t i = 0; i < ARRAY_SIZE(mk->fd); i++) {
		char reason[64];
		int err = swapdir_make(mk->dir, MIB, NULL, &mk->fd[i], reason,
				       sizeof(reason));

		mk->err = err != 0 ? err : mk->err;
	}
	return NULL;
}

static void test_threads(void **state)
{
	const struct scratch *sc = *state;
	struct maker makers[4] = { 0 };
	struct swapdir dir;

	open_well(sc->path, &dir);
	for (size_t t = 0; t < ARRAY_SIZE(makers); t++) {
		makers[t].dir = &dir;
		assert_int_equal(pthread_create(&makers[t].thread, NULL,
						make_many, &makers[t]), 0);
	}
	for (size_t t = 0; t < ARRAY_SIZE(makers); t++) {
		pthread_join(makers[t].thread, NULL);
		assert_int_equal(makers[t].err, 0);
		for (size_t i = 0; i < ARRAY_SIZE(makers[t].fd); i++) {
			assert_is_swap_file(&dir, makers[t].fd[i], MIB);
			close(makers[t].fd[i]);
		}
	}
	swapdir_close(&dir);
}

/* A folder in memory is refused: then all is done in another. */
static void choose_folder(void)
{
	struct scratch sc;
	struct swapdir dir;

	scratch_create(&sc);
	if (swapdir_probe(sc.path, MIB, &dir, NULL, 0) == -EINVAL)
		setenv("TMPDIR", "/var/tmp", 1);
	scratch_remove(&sc);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_folder),
		CASE(test_relative_path),
		CASE(test_files),
		CASE(test_folder_is_removed),
		CASE(test_no_folder),
		CASE(test_folder_of_somebody_else),
		CASE(test_no_permission),
		CASE(test_file_size_limit),
		CASE(test_small_reason),
		CASE(test_memory_is_refused),
		CASE(test_overlay_on_memory),
		CASE(test_fuse_of_a_user),
		CASE(test_full_disk),
		CASE(test_read_only),
		CASE(test_btrfs),
		CASE(test_xfs),
		CASE(test_no_tmpfile),
		CASE(test_no_tmpfile_no_permission),
		CASE(test_thief),
		CASE(test_failing_calls),
		CASE(test_no_fallocate),
		CASE(test_no_room_on_the_way_to_the_disk),
		CASE(test_cancelled),
		CASE(test_cancelled_leaves_no_blocks),
		CASE(test_threads),
	};
#undef CASE

	choose_folder();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
