/* SPDX-License-Identifier: MIT */
#include "tests/store/storetest.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = SWAP_SLOT_BYTES / sizeof(uint64_t), PATIENCE_MS = 60000 };

void scratch_create(struct scratch *sc)
{
	const char *base = getenv("TMPDIR");

	snprintf(sc->path, sizeof(sc->path), "%s/memd-store-XXXXXX",
		 base != NULL ? base : "/tmp");
	assert_ptr_equal(mkdtemp(sc->path), sc->path);
}

const char *scratch_file(const struct scratch *sc, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", sc->path, name);
	return path;
}

void scratch_remove(struct scratch *sc)
{
	DIR *dir = opendir(sc->path);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		(void)unlink(scratch_file(sc, entry->d_name));
	closedir(dir);
	assert_int_equal(rmdir(sc->path), 0);
}

void *buffer_create(size_t bytes)
{
	void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(buffer, MAP_FAILED);
	return buffer;
}

void buffer_destroy(void *buffer, size_t bytes)
{
	munmap(buffer, bytes);
}

static uint64_t pattern_word(uint32_t slot, uint32_t version, size_t word)
{
	uint64_t z = ((uint64_t)slot << 32 | version) * 1000003 + word;

	return z * UINT64_C(0x9e3779b97f4a7c15);
}

void pattern_fill(void *buffer, uint32_t slot, uint32_t slot_count,
		  uint32_t version)
{
	uint64_t *words = buffer;

	for (uint32_t i = 0; i < slot_count; i++)
		for (size_t word = 0; word < WORDS; word++)
			*words++ = pattern_word(slot + i, version, word);
}

bool pattern_is(const void *buffer, uint32_t slot, uint32_t slot_count,
		uint32_t version)
{
	const uint64_t *words = buffer;

	for (uint32_t i = 0; i < slot_count; i++)
		for (size_t word = 0; word < WORDS; word++)
			if (*words++ != pattern_word(slot + i, version, word))
				return false;
	return true;
}

void wait_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ready;

	do
		ready = poll(&pfd, 1, PATIENCE_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		fail_msg("the event descriptor stays silent");
	assert_int_equal(ready, 1);
}

struct swap_done store_wait_one(struct swapstore *st)
{
	struct swap_done done;

	while (swapstore_reap(st, &done, 1) == 0)
		wait_readable(swapstore_event_fd(st));
	return done;
}

int store_do(struct swapstore *st, bool is_write, uint32_t slot,
	     uint32_t slot_count, void *buffer)
{
	struct swap_io io = {
		.cookie = UINT64_C(0xfeedface00000000) + slot,
		.buffer = buffer,
		.slot = slot,
		.slot_count = slot_count,
		.is_write = is_write,
	};
	struct swap_done done;

	assert_int_equal(st->in_flight, 0);
	assert_int_equal(swapstore_submit(st, &io), 0);
	assert_int_equal(st->in_flight, 1);
	assert_int_equal(swapstore_flush(st), 0);
	done = store_wait_one(st);
	assert_int_equal(st->in_flight, 0);
	assert_int_equal(done.cookie, io.cookie);
	assert_int_equal(done.slot_count, slot_count);
	assert_int_equal(done.is_write, is_write);
	return done.result;
}

bool is_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ready;

	do
		ready = poll(&pfd, 1, 0);
	while (ready < 0 && errno == EINTR);
	return ready == 1 && (pfd.revents & POLLIN) != 0;
}

/* _exit() forgets what gcov has counted. */
static void keep_coverage(void)
{
#ifdef MEMD_COVERAGE
	extern void __gcov_dump(void);

	__gcov_dump();
#endif
}

int run_in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* A failed assertion must not go on with the parent's tests. */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		status = fn(arg);
		keep_coverage();
		_exit(status);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int install_filter(struct sock_filter *code, unsigned short length)
{
	struct sock_fprog program = { .len = length, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return -errno;
	return 0;
}

int forbid_syscall(long number, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (uint32_t)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_filter(code, ARRAY_SIZE(code));
}

/* The low half of an argument comes first on little-endian machines. */
static uint32_t low_half_of(unsigned arg)
{
	return (uint32_t)(offsetof(struct seccomp_data, args[arg]) +
			  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4));
}

/* `test`: BPF_JEQ or BPF_JSET. */
static int forbid_if(long number, unsigned arg, uint16_t test, uint32_t value,
		     int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_half_of(arg)),
		BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (uint32_t)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_filter(code, ARRAY_SIZE(code));
}

int forbid_syscall_arg(long number, uint32_t arg, int err)
{
	return forbid_if(number, 1, BPF_JEQ, arg, err);
}

int forbid_syscall_flags(long number, uint32_t flags, int err)
{
	return forbid_if(number, 2, BPF_JSET, flags, err);
}

const char *uring_refusal(void)
{
	struct swapstore *st;
	int err = store_uring_create(1, NULL, 1, &st);

	if (err != 0)
		return strerror(-err);
	swapstore_destroy(st);
	return NULL;
}
