/* SPDX-License-Identifier: MIT */
#include "daemon/backing/punch_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { HELPER_SOCKET = 3, HELPER_HANDOVER = 4 };

static char helper_name[] = "memd-puncher";

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
		/* No room for it in the helper's table. */
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

int punch_range(int fd, uint64_t offset, uint64_t length,
		uint64_t *ret_next_data)
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
	*ret_next_data = data >= 0 ? (uint64_t)data : UINT64_MAX;
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
				ho->run[i].length, &ho->run[i].next_data);
		}
	}
}

/* Close all of memd's descriptors, and end when memd ends. */
static void shed(int socket, pid_t parent)
{
	sigset_t all;

	/* A signal to the whole process group must not end the helper. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, helper_name);
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
			handover_wait(&ho->asked, seen, 0);
		seen++;
		serve(ho);
		atomic_store(&ho->answered, seen);
		handover_wake(&ho->answered);
	}
}

/* ---- a new process that runs the program again */

static int spawn_self(const int fds[2], char *const *argv, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all;
	int err;

	sigfillset(&all);
	posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigmask(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	err = posix_spawn_file_actions_adddup2(&actions, fds[0],
					       HELPER_SOCKET);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(&actions, fds[1],
						       HELPER_HANDOVER);
	if (err == 0)
		err = posix_spawn_file_actions_addclosefrom_np(
			&actions, HELPER_HANDOVER + 1);
	if (err == 0)
		err = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attr,
				  argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -err;
}

int punch_helper_spawn(int handover_fd, int socket, pid_t *ret_pid)
{
	/* Numbers above those that the two get in the helper. */
	const int fds[2] = {
		fcntl(socket, F_DUPFD_CLOEXEC, HELPER_HANDOVER + 1),
		fcntl(handover_fd, F_DUPFD_CLOEXEC, HELPER_HANDOVER + 1),
	};
	char parent[16];
	char *argv[] = { helper_name, parent, NULL };
	int err = -EMFILE;

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	if (fds[0] >= 0 && fds[1] >= 0)
		err = spawn_self(fds, argv, ret_pid);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err;
}

void punch_helper_main(int argc, char *const *argv)
{
	struct handover *ho;

	if (argc != 2 || strcmp(argv[0], helper_name) != 0)
		return;
	ho = mmap(NULL, sizeof(*ho), PROT_READ | PROT_WRITE, MAP_SHARED,
		  HELPER_HANDOVER, 0);
	if (ho == MAP_FAILED)
		_exit(EXIT_FAILURE);
	punch_helper_run(ho, HELPER_SOCKET, (pid_t)atoi(argv[1]));
}
