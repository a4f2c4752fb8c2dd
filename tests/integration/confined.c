/* SPDX-License-Identifier: MIT */
#include "tests/integration/confined.h"

#include "tests/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* The low half of an argument comes first on little-endian machines. */
static uint32_t low_half_of(unsigned arg)
{
	return (uint32_t)(offsetof(struct seccomp_data, args[arg]) +
			  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4));
}

/* System call `number` fails with `err` if this is so of its argument. */
static int forbid_if(uint32_t number, unsigned arg, uint16_t test,
		     uint32_t value, uint32_t err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_half_of(arg)),
		BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return -errno;
	return 0;
}

/* memd is killed when the thread that has started it ends. */
static void *start(void *arg)
{
	struct confined *cf = arg;

	cf->error = cf->what == CONFINED_NO_DIRECT ?
		forbid_if(SYS_fcntl, 2, BPF_JSET, O_DIRECT, EINVAL) :
		forbid_if(SYS_fallocate, 3, BPF_JGE, 1 << 20, EOPNOTSUPP);
	if (cf->error == 0)
		cf->result = testmemd_start(cf->tm, cf->flags);
	sem_post(&cf->started);
	while (sem_wait(&cf->may_end) != 0)
		;			/* EINTR */
	return NULL;
}

int confined_start(struct confined *cf, enum confinement what,
		   struct testmemd *tm, const char *const *flags)
{
	*cf = (struct confined){ .what = what, .tm = tm, .flags = flags };
	sem_init(&cf->started, 0, 0);
	sem_init(&cf->may_end, 0, 0);
	if (pthread_create(&cf->thread, NULL, start, cf) != 0)
		return -1;
	while (sem_wait(&cf->started) != 0)
		;			/* EINTR */
	if (cf->error == 0 && cf->result == 0)
		return 0;
	confined_end(cf);
	if (cf->error != 0)
		skip_case("no seccomp here: %s", strerror(-cf->error));
	return -1;
}

void confined_end(struct confined *cf)
{
	sem_post(&cf->may_end);
	pthread_join(cf->thread, NULL);
	sem_destroy(&cf->started);
	sem_destroy(&cf->may_end);
}
