/* SPDX-License-Identifier: MIT */
#include "daemon/backing/punch_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Descriptors of the helper.  The descriptor of file n is HELPER_FILES + n. */
enum {
	HELPER_SOCKET = 3,
	HELPER_EVENT,
	HELPER_HANDOVER,
	HELPER_FILES = 8,
};

static char helper_name[] = "memd-puncher";

/* The program's main() has called punch_helper_main().  In any other program a
 * helper would run main() as well, and start helpers of its own. */
static bool can_spawn;

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

/* Waits as long as anybody reads the file with O_DIRECT. */
static int truncate_file(int fd, uint64_t *ret_left_bytes)
{
	int err = ftruncate(fd, 0) != 0 ? -errno : 0;
	struct stat st;

	*ret_left_bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 :
						UINT64_MAX;
	return err;
}

static int helper_fd(uint32_t file)
{
	return HELPER_FILES + (int)file;
}

/* Receive the descriptor of one file.  If it has no room in the helper's table,
 * punches of the file fail with -EBADF. */
static void take_file(void)
{
	char control[CMSG_SPACE(sizeof(int))];
	uint32_t file;
	struct iovec iov = { &file, sizeof(file) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(HELPER_SOCKET, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
	    sizeof(file))
		return;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (fd != helper_fd(file)) {
		(void)dup3(fd, helper_fd(file), O_CLOEXEC);
		close(fd);
	}
}

static void carry_out(struct handover_order *order)
{
	switch ((enum handover_kind)order->kind) {
	case HANDOVER_PUNCH:
		order->result = punch_range(helper_fd(order->file),
					    order->offset, order->length,
					    &order->next_data);
		break;
	case HANDOVER_TRUNCATE:
		order->result = truncate_file(helper_fd(order->file),
					      &order->left_bytes);
		close(helper_fd(order->file));
		break;
	case HANDOVER_TAKE:
		take_file();
		break;
	case HANDOVER_DROP:
		close(helper_fd(order->file));
		break;
	case HANDOVER_DROP_ALL:
		(void)close_range(HELPER_FILES, ~0u, 0);
		break;
	}
}

/* Close all of memd's descriptors, and end when memd ends. */
static void shed(const struct punch_helper_fds *fds, pid_t parent)
{
	sigset_t all;
	int event;

	/* A signal to the whole process group must not end the helper. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, helper_name);
	if (getppid() != parent || chdir("/") != 0)
		_exit(EXIT_FAILURE);
	/* Out of the way of the numbers below. */
	event = fcntl(fds->event, F_DUPFD, HELPER_FILES);
	for (int fd = 0; fd <= HELPER_SOCKET; fd++)
		if (fds->socket != fd && dup2(fds->socket, fd) != fd)
			_exit(EXIT_FAILURE);
	if (event < 0 || dup2(event, HELPER_EVENT) != HELPER_EVENT)
		_exit(EXIT_FAILURE);
	(void)close_range(HELPER_EVENT + 1, ~0u, 0);
}

_Noreturn void punch_helper_run(struct handover *ho,
				const struct punch_helper_fds *fds,
				pid_t parent)
{
	const uint64_t one = 1;
	uint32_t done = 0;

	shed(fds, parent);
	for (;;) {
		struct handover_order *order = handover_order(ho, done);
		bool is_told;

		while (atomic_load(&ho->asked) == done)
			handover_wait(&ho->asked, done, 0);
		carry_out(order);
		/* The order is memd's again when it is answered. */
		is_told = order->is_told != 0;
		atomic_store(&ho->answered, ++done);
		/* memd looks at `answered` after it has taken is_awaited back:
		 * so one of the two sees what the other has done. */
		if (is_told && atomic_load(&ho->is_awaited) != 0)
			handover_wake(&ho->answered);
		else if (is_told)
			(void)!write(HELPER_EVENT, &one, sizeof(one));
	}
}

/* ---- a new process that runs the program again */

static int spawn_self(const struct punch_helper_fds *fds, char *const *argv,
		      pid_t *ret_pid)
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
	err = posix_spawn_file_actions_adddup2(&actions, fds->socket,
					       HELPER_SOCKET);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(&actions, fds->event,
						       HELPER_EVENT);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(&actions, fds->handover,
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

int punch_helper_spawn(const struct punch_helper_fds *fds, pid_t *ret_pid)
{
	/* Numbers above those that they get in the helper. */
	const struct punch_helper_fds high = {
		.socket = fcntl(fds->socket, F_DUPFD_CLOEXEC, HELPER_FILES),
		.handover = fcntl(fds->handover, F_DUPFD_CLOEXEC,
				  HELPER_FILES),
		.event = fcntl(fds->event, F_DUPFD_CLOEXEC, HELPER_FILES),
	};
	char parent[16];
	char *argv[] = { helper_name, parent, NULL };
	int err = can_spawn ? -EMFILE : -ENOTSUP;

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	if (can_spawn && high.socket >= 0 && high.handover >= 0 &&
	    high.event >= 0)
		err = spawn_self(&high, argv, ret_pid);
	if (high.socket >= 0)
		close(high.socket);
	if (high.handover >= 0)
		close(high.handover);
	if (high.event >= 0)
		close(high.event);
	return err;
}

void punch_helper_main(int argc, char *const *argv)
{
	const struct punch_helper_fds fds = {
		.socket = HELPER_SOCKET, .event = HELPER_EVENT,
	};
	struct handover *ho;

	can_spawn = true;
	if (argc != 2 || strcmp(argv[0], helper_name) != 0)
		return;
	ho = mmap(NULL, sizeof(*ho), PROT_READ | PROT_WRITE, MAP_SHARED,
		  HELPER_HANDOVER, 0);
	if (ho == MAP_FAILED)
		_exit(EXIT_FAILURE);
	punch_helper_run(ho, &fds, (pid_t)atoi(argv[1]));
}
