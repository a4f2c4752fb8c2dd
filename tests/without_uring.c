/* SPDX-License-Identifier: MIT */
/* without_uring COMMAND [ARGUMENT]...: runs COMMAND where io_uring is
 * forbidden, as in many containers: its three system calls fail with EPERM, for
 * COMMAND and all that it starts.  So the whole suite can be run on the store
 * that takes threads.  Exit status 77 where the kernel has no seccomp filters.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS_BEGIN SYS_io_uring_setup
#define CALLS_END (SYS_io_uring_register + 1)

_Static_assert(CALLS_END - CALLS_BEGIN == 3, "the calls are consecutive");

static int forbid_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CALLS_END, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CALLS_BEGIN, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code,
	};

	/* Root may without giving up what set-user-id programs gain. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	int err;

	if (argc < 2) {
		fprintf(stderr, "usage: without_uring COMMAND...\n");
		return 2;
	}
	err = forbid_uring();
	if (err != 0) {
		printf("skip: no seccomp filter here: %s\n", strerror(-err));
		return 77;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
	return 127;
}
