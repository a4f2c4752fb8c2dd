/* SPDX-License-Identifier: MIT */
/* Proves which files become swap files and which are refused: every refusal
 * has the error of swapfile.h, a reason of one line that names path, cause and
 * cure, says the same when only probed, and leaves the file as it was, or not
 * there.  Also: the lock holds against anybody, within a process too; files
 * grow, are allocated for real, never shrink, and go only when they are ours.
 *
 * What needs root, a namespace or seccomp says so where it has none. */
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include "daemon/pager/checksum.h"
#include "swapstore/swapfile.h"
#include "swapstore/swapfile_checks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, NOBODY = 65534, NOT_HERE = 99 };

struct fixture {
	struct scratch scratch;
	char path[300];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_create(&fx->scratch);
	snprintf(fx->path, sizeof(fx->path), "%s",
		 scratch_file(&fx->scratch, "swap"));
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	scratch_remove(&fx->scratch);
	free(fx);
	return 0;
}

static void open_well(const char *path, uint64_t size, struct swapfile *ret_sf)
{
	char reason[512] = "";

	if (swapfile_open(path, size, NULL, ret_sf, reason,
			  sizeof(reason)) != 0)
		fail_msg("refused: %s", reason);
}

static struct stat look_at(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
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
static void assert_refused(const char *path, uint64_t size, int err,
			   const char *word)
{
	char reason[512] = "";
	struct swapfile sf = { .fd = -7 };
	int before = dup(STDERR_FILENO), after;

	close(before);
	assert_int_equal(swapfile_probe(path, size, reason, sizeof(reason)),
			 err);
	assert_is_reason(reason, path, word);
	reason[0] = '\0';
	assert_int_equal(swapfile_open(path, size, NULL, &sf, reason,
				       sizeof(reason)), err);
	assert_is_reason(reason, path, word);
	assert_int_equal(sf.fd, -7);
	assert_int_equal(swapfile_open(path, size, NULL, &sf, NULL, 0), err);
	after = dup(STDERR_FILENO);
	close(after);
	assert_int_equal(before, after);
}

/* ---- what works */

static void test_new_file(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;
	struct stat st;
	char magic[9] = "";

	assert_int_equal(swapfile_probe(fx->path, MIB, NULL, 0), 0);
	assert_int_equal(access(fx->path, F_OK), -1);
	open_well(fx->path, MIB, &sf);
	st = look_at(fx->path);
	assert_true(sf.was_created);
	assert_int_equal(sf.slot_count, MIB / SWAP_SLOT_BYTES);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, MIB + SWAPFILE_HEADER_BYTES);
	assert_true(st.st_blocks * 512 >= st.st_size);
	assert_true(fcntl(sf.fd, F_GETFD) & FD_CLOEXEC);
	swapfile_close(&sf, fx->path, false);
	assert_int_equal(sf.fd, -1);
	sf.fd = open(fx->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(sf.fd, magic, 8, MIB), 8);
	assert_string_equal(magic, "memdswap");
	close(sf.fd);
}

static void test_umask_does_not_matter(void **state)
{
	struct fixture *fx = *state;
	mode_t before = umask(0);
	struct swapfile sf;

	open_well(fx->path, MIB, &sf);
	umask(before);
	assert_int_equal(look_at(fx->path).st_mode, S_IFREG | 0600);
	swapfile_close(&sf, fx->path, true);
}

static void test_sizes_are_rounded_up(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t slot_count;
	} sizes[] = { { 1, 1 }, { 4096, 1 }, { 4097, 2 }, { 40960, 10 } };
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct swapfile sf;

		open_well(fx->path, sizes[i].size, &sf);
		assert_int_equal(sf.slot_count, sizes[i].slot_count);
		assert_int_equal(look_at(fx->path).st_size, 4096 +
				 sizes[i].slot_count * SWAP_SLOT_BYTES);
		swapfile_close(&sf, fx->path, true);
		assert_int_equal(access(fx->path, F_OK), -1);
	}
}

static void test_existing_file_grows_and_never_shrinks(void **state)
{
	static const uint64_t mibs[] = { 1, 3, 2, 2, 5 };
	struct fixture *fx = *state;
	uint64_t most = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mibs); i++) {
		struct swapfile sf;
		struct stat st;

		open_well(fx->path, mibs[i] * MIB, &sf);
		most = MAX(most, mibs[i]);
		st = look_at(fx->path);
		assert_int_equal(sf.was_created, i == 0);
		assert_int_equal(sf.slot_count, mibs[i] * MIB / 4096);
		assert_int_equal(st.st_size, most * MIB + 4096);
		assert_true(st.st_blocks * 512 >= st.st_size);
		/* io_uring would take O_NONBLOCK at its word. */
		assert_false(fcntl(sf.fd, F_GETFL) & O_NONBLOCK);
		swapfile_close(&sf, fx->path, false);
		assert_int_equal(swapfile_probe(fx->path, mibs[i] * MIB, NULL,
						0), 0);
	}
}

static void test_holes_are_filled(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;

	open_well(fx->path, MIB, &sf);
	assert_int_equal(fallocate(sf.fd, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, 0, MIB), 0);
	swapfile_close(&sf, fx->path, false);
	assert_true(look_at(fx->path).st_blocks * 512 < MIB);
	open_well(fx->path, MIB, &sf);
	assert_true(look_at(fx->path).st_blocks * 512 >= MIB);
	swapfile_close(&sf, fx->path, false);
}

static void test_empty_file_counts_as_new(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;
	int fd = open(fx->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(swapfile_probe(fx->path, MIB, NULL, 0), 0);
	open_well(fx->path, MIB, &sf);
	assert_false(sf.was_created);
	swapfile_close(&sf, fx->path, false);
	open_well(fx->path, MIB, &sf);
	swapfile_close(&sf, fx->path, true);
}

static void test_relative_path(void **state)
{
	struct fixture *fx = *state;
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct swapfile sf;

	assert_int_equal(chdir(fx->scratch.path), 0);
	assert_int_equal(swapfile_probe("swap", MIB, NULL, 0), 0);
	open_well("swap", MIB, &sf);
	swapfile_close(&sf, "swap", true);
	assert_int_equal(fchdir(before), 0);
	close(before);
	assert_int_equal(access(fx->path, F_OK), -1);
}

/* Direct where the disk has it; data written through it arrives. */
static void test_direct_io(void **state)
{
	struct fixture *fx = *state;
	void *block = buffer_create(4096);
	struct swapfile sf;

	open_well(fx->path, MIB, &sf);
	assert_int_equal(sf.is_direct,
			 (fcntl(sf.fd, F_GETFL) & O_DIRECT) != 0);
	if (!sf.is_direct)
		print_message("no O_DIRECT in %s\n", fx->scratch.path);
	pattern_fill(block, 0, 1, 1);
	assert_int_equal(pwrite(sf.fd, block, 4096, 0), 4096);
	memset(block, 0, 4096);
	assert_int_equal(pread(sf.fd, block, 4096, 0), 4096);
	assert_true(pattern_is(block, 0, 1, 1));
	swapfile_close(&sf, fx->path, true);
	buffer_destroy(block, 4096);
}

/* A file system in memory accepts the flag, but nothing is direct about it. */
static void test_no_direct_io_in_memory(void **state)
{
	char path[] = "/dev/shm/memd-store-XXXXXX";
	struct swapfile sf;
	struct statfs fs;
	int fd = -1;

	(void)state;
	if (statfs("/dev/shm", &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		skip_case("no tmpfs at /dev/shm");
	close(fd);
	open_well(path, MIB, &sf);
	assert_false(sf.is_direct);
	assert_int_equal(fcntl(sf.fd, F_GETFL) & (O_DIRECT | O_NONBLOCK), 0);
	swapfile_close(&sf, path, true);
	assert_int_equal(access(path, F_OK), -1);
}

/* Somebody put another file in its place: that one stays. */
static void test_only_our_own_file_is_removed(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;
	int fd;

	open_well(fx->path, MIB, &sf);
	assert_int_equal(unlink(fx->path), 0);
	fd = open(fx->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	swapfile_close(&sf, fx->path, true);
	assert_int_equal(access(fx->path, F_OK), 0);
}

/* As a store does that took the descriptor. */
static void test_close_without_descriptor(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;
	int fd;

	open_well(fx->path, MIB, &sf);
	fd = sf.fd;
	sf.fd = -1;
	swapfile_close(&sf, fx->path, true);
	assert_int_equal(access(fx->path, F_OK), -1);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

/* ---- what is refused */

static void write_file(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), (ssize_t)length);
	close(fd);
}

/* A header as swapfile.h describes it, with these fields. */
static void write_header(const char *path, uint32_t version,
			 uint32_t slot_bytes, bool is_damaged)
{
	struct {
		char magic[8];
		uint32_t version, slot_bytes;
		uint64_t sum;
		char zeros[SWAPFILE_HEADER_BYTES - 24];
	} header = { .version = version, .slot_bytes = slot_bytes };
	struct checksum_key key = { 0 };

	memcpy(header.magic, "memdswap", 8);
	header.sum = checksum_of(&key, &header, sizeof(header)).low;
	if (is_damaged)
		header.zeros[1000] ^= 1;
	write_file(path, &header, sizeof(header));
}

static void make_link(const char *path)
{
	char target[300];

	snprintf(target, sizeof(target), "%s.real", path);
	write_header(target, 1, 4096, false);
	assert_int_equal(symlink(target, path), 0);
}

static void make_dangling_link(const char *path)
{
	char target[300];

	snprintf(target, sizeof(target), "%s.none", path);
	assert_int_equal(symlink(target, path), 0);
}

static void make_fifo(const char *path)
{
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_in_range(strlen(path), 1, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      sizeof(address)), 0);
	close(fd);
}

static void make_readable_by_all(const char *path)
{
	write_header(path, 1, 4096, false);
	assert_int_equal(chmod(path, 0644), 0);
}

static void make_writable_by_group(const char *path)
{
	write_header(path, 1, 4096, false);
	assert_int_equal(chmod(path, 0620), 0);
}

static void make_text(const char *path)
{
	static const char page[8192] = "dear diary";

	write_file(path, page, sizeof(page));
}

static void make_zeros(const char *path)
{
	static const char page[8192];

	write_file(path, page, sizeof(page));
}

static void make_short(const char *path)
{
	write_file(path, "memdswap", 8);
}

static void make_damaged(const char *path)
{
	write_header(path, 1, 4096, true);
}

static void make_layout_2(const char *path)
{
	write_header(path, 2, 4096, false);
}

static void make_other_slots(const char *path)
{
	write_header(path, 1, 8192, false);
}

static const struct {
	void (*make)(const char *path);
	int err;
	const char *word;
} refusals[] = {
	{ make_link, -EINVAL, "symbolic link" },
	{ make_dangling_link, -EINVAL, "symbolic link" },
	{ make_fifo, -EINVAL, "not a regular file" },
	{ make_socket, -EINVAL, "not a regular file" },
	{ make_readable_by_all, -EPERM, "0644" },
	{ make_writable_by_group, -EPERM, "chmod 600" },
	{ make_text, -EPERM, "somebody's data" },
	{ make_zeros, -EPERM, "somebody's data" },
	{ make_short, -EPERM, "somebody's data" },
	{ make_damaged, -EPERM, "damaged" },
	{ make_layout_2, -EPERM, "layout 2" },
	{ make_other_slots, -EPERM, "8192 bytes" },
};

static void test_refused_files(void **state)
{
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct stat before, after;

		refusals[i].make(fx->path);
		before = look_at(fx->path);
		assert_refused(fx->path, MIB, refusals[i].err,
			       refusals[i].word);
		after = look_at(fx->path);
		assert_int_equal(before.st_ino, after.st_ino);
		assert_int_equal(before.st_size, after.st_size);
		assert_int_equal(before.st_mode, after.st_mode);
		assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
		assert_int_equal(unlink(fx->path), 0);
	}
	assert_refused(fx->scratch.path, MIB, -EINVAL, "not a regular file");
}

static void test_no_folder(void **state)
{
	struct fixture *fx = *state;
	char path[400], folder[600];

	snprintf(path, sizeof(path), "%s/none/swap", fx->scratch.path);
	snprintf(folder, sizeof(folder), "the folder %s/none does not exist",
		 fx->scratch.path);
	assert_refused(path, MIB, -ENOENT, folder);
	make_text(fx->path);
	snprintf(path, sizeof(path), "%s/swap", fx->path);
	assert_refused(path, MIB, -ENOTDIR, "mkdir -p");
	assert_refused("/memd-none/swap", MIB, -ENOENT, "folder /memd-none ");
}

static void test_impossible_sizes(void **state)
{
	struct fixture *fx = *state;

	assert_refused(fx->path, 0, -EINVAL, "swap_size");
	assert_refused(fx->path, UINT64_C(16) << 40, -EINVAL, "16T");
	assert_refused(fx->path, UINT64_MAX, -EINVAL, "16T");
	assert_int_equal(access(fx->path, F_OK), -1);
}

static void test_wrong_owner(void **state)
{
	struct fixture *fx = *state;

	if (geteuid() != 0)
		skip_case("only root can give files away");
	write_header(fx->path, 1, 4096, false);
	assert_int_equal(chown(fx->path, NOBODY, NOBODY), 0);
	assert_refused(fx->path, MIB, -EPERM,
		       "belongs to uid 65534, memd runs as uid 0");
}

/* An ordinary user, in a folder that is not theirs. */
static int open_as_nobody(void *arg)
{
	const char *path = arg;

	if (geteuid() != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return NOT_HERE;
	assert_refused(path, MIB, -EACCES, "uid 65534 may not");
	return 0;
}

static void test_no_permission(void **state)
{
	struct fixture *fx = *state;
	int result;

	assert_int_equal(chmod(fx->scratch.path, 0755), 0);
	result = run_in_child(open_as_nobody, fx->path);
	if (result == NOT_HERE)
		skip_case("only root can become nobody");
	assert_int_equal(result, 0);
}

/* ---- the lock */

static int open_busy(void *arg)
{
	assert_refused(arg, MIB, -EBUSY, "in use by another memd");
	return 0;
}

static void test_locked(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf, again;

	open_well(fx->path, MIB, &sf);
	assert_refused(fx->path, MIB, -EBUSY, "in use by another memd");
	assert_int_equal(run_in_child(open_busy, fx->path), 0);
	/* Refusing must not have let go of it, as POSIX locks would. */
	assert_int_equal(run_in_child(open_busy, fx->path), 0);
	swapfile_close(&sf, fx->path, false);
	open_well(fx->path, MIB, &again);
	swapfile_close(&again, fx->path, false);
}

/* The lock is the open file's: it lives on in whoever was given a copy. */
static void test_lock_is_the_files(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;
	int copy;

	open_well(fx->path, MIB, &sf);
	copy = dup(sf.fd);
	swapfile_close(&sf, fx->path, false);
	assert_refused(fx->path, MIB, -EBUSY, "in use");
	close(copy);
	open_well(fx->path, MIB, &sf);
	swapfile_close(&sf, fx->path, false);
}

/* Several processes open and remove the same file: never two at once have it,
 * and the name never means a file that nobody has. */
struct contest {
	const char *path;
	_Atomic int holders, wins;
};

static int compete(void *arg)
{
	struct contest *ct = arg;

	for (int i = 0; i < 50; i++) {
		struct swapfile sf;
		int err = swapfile_open(ct->path, 8192, NULL, &sf, NULL, 0);

		if (err == -EBUSY || err == -ESTALE)
			continue;
		if (err != 0)
			return 1;
		if (atomic_fetch_add(&ct->holders, 1) != 0)
			return 2;
		if (look_at(ct->path).st_ino != sf.inode)
			return 3;
		sched_yield();
		atomic_fetch_add(&ct->wins, 1);
		atomic_fetch_sub(&ct->holders, 1);
		swapfile_close(&sf, ct->path, true);
	}
	return 0;
}

static void test_contest_for_the_lock(void **state)
{
	enum { PROCESSES = 4 };
	struct fixture *fx = *state;
	struct contest *ct = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[PROCESSES];

	assert_ptr_not_equal(ct, MAP_FAILED);
	ct->path = fx->path;
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(compete(ct));
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_true(ct->wins > 0);
	assert_int_equal(access(fx->path, F_OK), -1);
	munmap(ct, 4096);
}

/* ---- a small disk */

static int write_proc(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -EPERM;
}

/* An ordinary user becomes root of a namespace of their own. */
static int enter_namespace(void)
{
	char uid_map[32], gid_map[32];

	if (geteuid() == 0)
		return unshare(CLONE_NEWNS) != 0 ? -errno : 0;
	snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
	    write_proc("/proc/self/uid_map", uid_map) != 0 ||
	    write_proc("/proc/self/setgroups", "deny") != 0 ||
	    write_proc("/proc/self/gid_map", gid_map) != 0)
		return -EPERM;
	return 0;
}

/* A tmpfs of 2 MiB over the scratch folder, for this child alone. */
static int mount_small_disk(const char *folder)
{
	int err = enter_namespace();

	if (err != 0)
		return err;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder, "tmpfs", 0, "size=2M,mode=755") != 0)
		return -errno;
	return 0;
}

static int fill_small_disk(void *arg)
{
	struct fixture *fx = arg;
	struct swapfile sf;

	if (mount_small_disk(fx->scratch.path) != 0)
		return NOT_HERE;
	assert_refused(fx->path, 8 * MIB, -ENOSPC,
		       "needs 8.0M more, the file system has 2.0M free");
	assert_int_equal(access(fx->path, F_OK), -1);
	open_well(fx->path, MIB, &sf);
	assert_false(sf.is_direct);
	swapfile_close(&sf, fx->path, false);
	assert_refused(fx->path, 8 * MIB, -ENOSPC, "needs 7.0M more");
	assert_int_equal(look_at(fx->path).st_size, MIB + 4096);
	open_well(fx->path, MIB, &sf);
	swapfile_close(&sf, fx->path, true);

	if (mount(NULL, fx->scratch.path, NULL, MS_REMOUNT | MS_RDONLY,
		  NULL) != 0)
		return 3;
	assert_refused(fx->path, MIB, -EROFS, "read-only");
	return 0;
}

static void test_full_disk(void **state)
{
	struct fixture *fx = *state;
	int result = run_in_child(fill_small_disk, fx);

	if (result == NOT_HERE)
		skip_case("may not mount a small tmpfs");
	assert_int_equal(result, 0);
}

static int open_over_limit(void *arg)
{
	struct fixture *fx = arg;
	struct rlimit limit = { MIB, MIB };

	/* SIGXFSZ is at its default: it must not even be raised. */
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	assert_refused(fx->path, 2 * MIB, -EFBIG, "LimitFSIZE=");
	return access(fx->path, F_OK) == 0 ? 2 : 0;
}

static void test_file_size_limit(void **state)
{
	assert_int_equal(run_in_child(open_over_limit, *state), 0);
}

/* ---- system calls that fail in the middle */

struct breakage {
	struct fixture *fx;
	long syscall;
	int err;
	int result;
	const char *word;
};

/* A new file is gone again, an old one has its old size and still works. */
static int open_broken(void *arg)
{
	struct breakage *bk = arg;
	const char *path = bk->fx->path;
	char reason[512] = "", old[320];
	struct swapfile sf;
	int err;

	snprintf(old, sizeof(old), "%s.old", path);
	open_well(old, MIB, &sf);
	swapfile_close(&sf, old, false);
	if (forbid_syscall(bk->syscall, bk->err) != 0)
		return NOT_HERE;
	err = swapfile_open(path, MIB, NULL, &sf, reason, sizeof(reason));
	assert_int_equal(err, bk->result);
	assert_is_reason(reason, path, bk->word);
	assert_int_equal(access(path, F_OK), -1);

	err = swapfile_open(old, 2 * MIB, NULL, &sf, reason, sizeof(reason));
	if (err == 0)		/* an old file needs no new header */
		swapfile_close(&sf, old, false);
	else
		assert_int_equal(look_at(old).st_size, MIB + 4096);
	return unlink(old);
}

static void test_failing_calls(void **state)
{
	struct breakage table[] = {
		{ .syscall = SYS_fallocate, .err = ENOSPC, .result = -ENOSPC,
		  .word = "needs 1.0M more" },
		{ .syscall = SYS_fallocate, .err = EDQUOT, .result = -EDQUOT,
		  .word = "cannot be made that large" },
		{ .syscall = SYS_fallocate, .err = EIO, .result = -EIO,
		  .word = "cannot be made that large" },
		{ .syscall = SYS_fdatasync, .err = EIO, .result = -EIO,
		  .word = "Input/output error" },
		{ .syscall = SYS_pwrite64, .err = EIO, .result = -EIO,
		  .word = "Input/output error" },
		{ .syscall = SYS_fstatfs, .err = EIO, .result = -EIO,
		  .word = "cannot be looked at" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int result;

		table[i].fx = *state;
		result = run_in_child(open_broken, &table[i]);
		if (result == NOT_HERE)
			skip_case("no seccomp here");
		assert_int_equal(result, 0);
	}
}

/* No locks there at all (some network file systems): refused, for both. */
static int open_without_locks(void *arg)
{
	struct fixture *fx = arg;
	char reason[512] = "";
	struct swapfile sf;

	if (forbid_syscall_arg(SYS_fcntl, F_OFD_SETLK, ENOLCK) != 0 ||
	    forbid_syscall_arg(SYS_fcntl, F_OFD_GETLK, ENOLCK) != 0)
		return NOT_HERE;
	assert_int_equal(swapfile_open(fx->path, MIB, NULL, &sf, reason,
				       sizeof(reason)), -ENOLCK);
	assert_is_reason(reason, fx->path, "cannot be locked");
	assert_int_equal(access(fx->path, F_OK), -1);
	write_header(fx->path, 1, 4096, false);
	assert_refused(fx->path, MIB, -ENOLCK, "cannot be locked");
	assert_int_equal(look_at(fx->path).st_size, 4096);
	return 0;
}

static void test_no_locks(void **state)
{
	int result = run_in_child(open_without_locks, *state);

	if (result == NOT_HERE)
		skip_case("no seccomp here");
	assert_int_equal(result, 0);
}

/* File systems without fallocate get zeros written; also when they grow, and
 * when an old file turns out to be sparse. */
static int open_without_fallocate(void *arg)
{
	struct fixture *fx = arg;
	struct swapfile sf;

	open_well(fx->path, MIB, &sf);
	if (fallocate(sf.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      MIB) != 0)
		return 1;
	swapfile_close(&sf, fx->path, false);
	if (forbid_syscall(SYS_fallocate, EOPNOTSUPP) != 0)
		return NOT_HERE;
	open_well(fx->path, MIB, &sf);
	assert_true(look_at(fx->path).st_blocks * 512 >= MIB);
	swapfile_close(&sf, fx->path, false);
	open_well(fx->path, 2 * MIB, &sf);
	assert_int_equal(look_at(fx->path).st_size, 2 * MIB + 4096);
	assert_true(look_at(fx->path).st_blocks * 512 >= 2 * MIB);
	swapfile_close(&sf, fx->path, true);
	open_well(fx->path, MIB, &sf);
	assert_int_equal(look_at(fx->path).st_size, MIB + 4096);
	swapfile_close(&sf, fx->path, true);
	return 0;
}

static void test_no_fallocate(void **state)
{
	int result = run_in_child(open_without_fallocate, *state);

	if (result == NOT_HERE)
		skip_case("no seccomp here");
	assert_int_equal(result, 0);
}

/* ---- given up while it is made */

static bool is_asked_third(void *ctx)
{
	return ++*(int *)ctx == 3;
}

static int open_cancelled(const char *path, uint64_t size, int asked)
{
	const struct swapfile_cancel cancel = { is_asked_third, &asked };
	char reason[512] = "";
	struct swapfile sf;
	int err = swapfile_open(path, size, &cancel, &sf, reason,
				sizeof(reason));

	if (err == -ECANCELED)
		assert_non_null(strstr(reason, "told to stop"));
	return err;
}

/* Nothing of a new file is left, and of an old one what was there. */
static int cancel_zeros(void *arg)
{
	struct fixture *fx = arg;
	struct swapfile sf;

	if (forbid_syscall(SYS_fallocate, EOPNOTSUPP) != 0)
		return NOT_HERE;
	assert_int_equal(open_cancelled(fx->path, MIB, 0), -ECANCELED);
	assert_int_equal(access(fx->path, F_OK), -1);
	open_well(fx->path, MIB, &sf);
	swapfile_close(&sf, fx->path, false);
	assert_int_equal(open_cancelled(fx->path, 2 * MIB, 0), -ECANCELED);
	assert_int_equal(look_at(fx->path).st_size, MIB + 4096);
	open_well(fx->path, 2 * MIB, &sf);
	swapfile_close(&sf, fx->path, true);
	return 0;
}

static void test_cancelled(void **state)
{
	struct fixture *fx = *state;
	int result;

	assert_int_equal(open_cancelled(fx->path, MIB, 2), -ECANCELED);
	assert_int_equal(access(fx->path, F_OK), -1);
	assert_int_equal(open_cancelled(fx->path, MIB, 3), 0);
	assert_int_equal(unlink(fx->path), 0);
	result = run_in_child(cancel_zeros, fx);
	if (result == NOT_HERE)
		skip_case("no seccomp here");
	assert_int_equal(result, 0);
}

/* A reason that does not fit is cut, never written past its end. */
static void test_small_reason(void **state)
{
	struct fixture *fx = *state;
	struct swapfile sf;

	for (size_t size = 0; size < 120; size++) {
		char *reason = malloc(size + 1);

		assert_non_null(reason);
		reason[size] = '!';
		assert_int_equal(swapfile_open(fx->path, 0, NULL, &sf, reason,
					       size), -EINVAL);
		assert_int_equal(reason[size], '!');
		if (size > 0)
			assert_non_null(memchr(reason, '\0', size));
		free(reason);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_new_file),
		CASE(test_umask_does_not_matter),
		CASE(test_sizes_are_rounded_up),
		CASE(test_existing_file_grows_and_never_shrinks),
		CASE(test_holes_are_filled),
		CASE(test_empty_file_counts_as_new),
		CASE(test_relative_path),
		CASE(test_direct_io),
		CASE(test_no_direct_io_in_memory),
		CASE(test_only_our_own_file_is_removed),
		CASE(test_close_without_descriptor),
		CASE(test_refused_files),
		CASE(test_no_folder),
		CASE(test_impossible_sizes),
		CASE(test_wrong_owner),
		CASE(test_no_permission),
		CASE(test_locked),
		CASE(test_lock_is_the_files),
		CASE(test_contest_for_the_lock),
		CASE(test_full_disk),
		CASE(test_file_size_limit),
		CASE(test_failing_calls),
		CASE(test_no_locks),
		CASE(test_no_fallocate),
		CASE(test_cancelled),
		CASE(test_small_reason),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
