/* SPDX-License-Identifier: MIT */
/* SIGTERM ends a memd that is still making its swap file.
 *
 * memd heard of signals in its loop only, and there is none before the swap
 * file is there: where that had to be filled with zeros, memd went on filling
 * the disk for minutes.  Here fallocate(2) is forbidden, and memd is told to
 * stop as soon as the file grows.  It must end in order, without having
 * started, and leave no file. */
#include "tests/integration/testmemd.h"

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

static int await_growth(const struct testmemd *tm)
{
	struct stat st = { .st_size = 0 };
	siginfo_t ended = { .si_pid = 0 };

	while (st.st_size < 1 << 20) {
		if (stat(tm->swap, &st) != 0 && errno != ENOENT)
			return -1;
		if (waitid(P_PID, (id_t)tm->pid, &ended,
			   WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    ended.si_pid != 0)
			return -1;
		usleep(1000);
	}
	return 0;
}

static int stops_in_order(struct testmemd *tm)
{
	int status;

	if (kill(tm->pid, SIGTERM) != 0 ||
	    waitpid(tm->pid, &status, 0) != tm->pid)
		return -1;
	tm->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("memd ended with %#x\n", (unsigned)status);
		return -1;
	}
	if (testmemd_log_count(tm, "was being made") != 1 ||
	    testmemd_log_count(tm, " started ") != 0) {
		printf("memd filled the file first\n");
		return -1;
	}
	if (access(tm->swap, F_OK) == 0) {
		printf("the file is still there\n");
		return -1;
	}
	return 0;
}

int main(void)
{
	/* More than is filled while memd hears of the signal. */
	const char *const flags[] = { "--swap-size=3G", "--store=sync", NULL };
	struct testmemd tm;
	int failed = 0;

	alarm(100);
	if (forbid_large_fallocate() != 0) {
		printf("skip: no seccomp here\n");
		return 77;
	}
	if (testmemd_begin(&tm, flags) != 0)
		return 1;
	if (await_growth(&tm) != 0 || stops_in_order(&tm) != 0) {
		testmemd_dump_log(&tm);
		failed = 1;
	}
	testmemd_kill(&tm);
	printf("start_interrupted_test: %s\n", failed ? "FAILED" : "ok");
	return failed;
}
