/* SPDX-License-Identifier: MIT */
#include "daemon/pager/punch_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { HELPER_SOCKET = 3 };

static int receive_fd(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(HELPER_SOCKET, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS)
		return -EMFILE;		/* there was no room for it here */
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

int punch_range(int fd, uint64_t offset, uint64_t length, bool *ret_has_data)
{
	off_t data;
	int err;

	do
		err = fallocate(fd, FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE,
				(off_t)offset, (off_t)length);
	while (err != 0 && errno == EINTR);
	err = err != 0 ? -errno : 0;
	data = lseek(fd, (off_t)offset, SEEK_DATA);
	*ret_has_data = data >= 0 && (uint64_t)data < offset + length;
	return err;
}

static void serve(struct handover *ho)
{
	switch (ho->kind) {
	case HANDOVER_TAKE:
		ho->fd = receive_fd();
		break;
	case HANDOVER_DROP:
		close(ho->fd);
		break;
	case HANDOVER_FORGET:
		(void)close_range(HELPER_SOCKET + 1, ~0u, 0);
		break;
	case HANDOVER_PUNCH:
		for (uint32_t i = 0; i < ho->count; i++) {
			uint32_t free = i;

			if (!atomic_compare_exchange_strong(&ho->claim, &free,
							    i + 1))
				break;
			ho->run[i].result = punch_range(
				ho->run[i].fd, ho->run[i].offset,
				ho->run[i].length, &ho->run[i].has_data);
		}
	}
}

/* Nothing of memd's stays open here, and memd's end is this one's. */
static void shed(int socket, pid_t parent)
{
	sigset_t all;

	/* A signal to the whole group must not stop memd from punching. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "memd-puncher");
	if (getppid() != parent || chdir("/") != 0)
		_exit(EXIT_FAILURE);
	for (int fd = 0; fd <= HELPER_SOCKET; fd++)
		if (socket != fd && dup2(socket, fd) != fd)
			_exit(EXIT_FAILURE);
	(void)close_range(HELPER_SOCKET + 1, ~0u, 0);
}

_Noreturn void punch_helper_run(struct handover *ho, int socket, pid_t parent)
{
	uint32_t seen = 0;

	shed(socket, parent);
	for (;;) {
		while (atomic_load(&ho->asked) == seen)
			futex_wait(&ho->asked, seen, 0);
		seen++;
		serve(ho);
		atomic_store(&ho->answered, seen);
		futex_wake(&ho->answered);
	}
}
