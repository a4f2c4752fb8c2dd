/* SPDX-License-Identifier: MIT */
/* SIGTERM ends a memd that is making a swap file.
 *
 * memd did not look whether it was to stop while it filled a file with zeros,
 * where fallocate(2) is not possible: it went on filling the disk for minutes.
 * Here fallocate(2) is forbidden, a client maps memory, and memd is told to
 * stop as soon as the file grows.  It must end in order, with the file not
 * full. */
#include "tests/integration/testmemd.h"
#include "tests/integration/wire_peer.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of a MiB and more: memd has small files in memory, too. */
static int forbid_large_fallocate(void)
{
	size_t low_half = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (unsigned)(offsetof(struct seccomp_data, args[3]) +
				    low_half)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1 << 20, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

enum { FILE_BYTES = 1 << 30, GROWN_BYTES = 1 << 20 };	/* the largest file */

/* Ask for more than one file has, and do not wait for the answer.  Returns the
 * connection, or -1. */
static int begin_to_map(const struct testmemd *tm)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	Memd__Hello hello = wire_peer_hello(NULL);
	int fd = testmemd_connect(tm);
	struct answer a;

	create.length_bytes = (uint64_t)FILE_BYTES * 2;
	create.has_attach = create.attach = true;
	if (fd < 0 || wire_peer_send(fd, T(HELLO), 1, &hello.base) != 0 ||
	    wire_peer_receive(fd, &a) != 0)
		return -1;
	answer_free(&a);
	return wire_peer_send(fd, T(SEGMENT_CREATE), 2, &create.base) != 0 ?
		-1 : fd;
}

/* Returns the file, or -1. */
static int await_growth(const struct testmemd *tm)
{
	for (;;) {
		struct stat st = { .st_size = 0 };
		int file = -1, count = testmemd_open_swap(tm, &file, 1);

		if (count > 0 && fstat(file, &st) == 0 &&
		    st.st_size >= GROWN_BYTES)
			return file;
		if (count > 0)
			close(file);
		if (count < 0 || testmemd_log_count(tm, "swap-file") != 0)
			return -1;
		usleep(1000);
	}
}

static int stops_in_order(struct testmemd *tm, int file)
{
	struct stat st;
	int status;

	if (kill(tm->pid, SIGTERM) != 0 ||
	    waitpid(tm->pid, &status, 0) != tm->pid)
		return -1;
	tm->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("memd ended with %#x\n", (unsigned)status);
		return -1;
	}
	if (fstat(file, &st) != 0 || st.st_size >= FILE_BYTES) {
		printf("memd filled the file first\n");
		return -1;
	}
	return 0;
}

int main(void)
{
	const char *const flags[] = { "--swap-size=3G", "--store=sync", NULL };
	int failed = 1, client = -1, file = -1;
	struct testmemd tm;

	alarm(100);
	if (forbid_large_fallocate() != 0) {
		printf("skip: no seccomp here\n");
		return 77;
	}
	if (testmemd_start(&tm, flags) != 0)
		return 1;
	client = begin_to_map(&tm);
	if (client >= 0)
		file = await_growth(&tm);
	if (file >= 0 && stops_in_order(&tm, file) == 0)
		failed = 0;
	if (failed)
		testmemd_dump_log(&tm);
	testmemd_kill(&tm);
	close(file);
	close(client);
	printf("fill_interrupted_test: %s\n", failed ? "FAILED" : "ok");
	return failed;
}
