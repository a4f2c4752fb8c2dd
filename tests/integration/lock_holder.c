/* SPDX-License-Identifier: MIT */
#include "tests/integration/lock_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096 };

struct trap {
	int uffd;
	void *memory;			/* its faults are never answered */
};

static int trap_init(struct trap *t)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	t->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (t->uffd < 0)
		return -errno;
	t->memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)t->memory;
	reg.range.len = PAGE;
	if (t->memory == MAP_FAILED || ioctl(t->uffd, UFFDIO_API, &api) != 0 ||
	    ioctl(t->uffd, UFFDIO_REGISTER, &reg) != 0)
		return -errno;
	return 0;
}

int lock_holder_check(void)
{
	struct trap t = { .uffd = -1 };
	int err = trap_init(&t);

	if (t.uffd >= 0)
		close(t.uffd);
	if (err == 0)
		munmap(t.memory, PAGE);
	return err;
}

/* Tells with a byte that the call has met the trap: the kernel has the file's
 * lock when it looks at the memory. */
static _Noreturn void watcher_run(int uffd, int tell_fd, pid_t parent)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(getppid() != parent || poll(&pfd, 1, -1) != 1 ||
	      write(tell_fd, "", 1) != 1);
}

static _Noreturn void holder_run(int file, bool is_reader, int tell_fd,
				 pid_t parent)
{
	pid_t self = getpid(), watcher;
	struct trap t = { .uffd = -1, .memory = MAP_FAILED };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Sessions of the test end when the test closes them. */
	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
		if (fd != file && fd != tell_fd)
			close(fd);
	if (getppid() != parent || trap_init(&t) != 0)
		_exit(1);
	watcher = fork();
	if (watcher == 0)
		watcher_run(t.uffd, tell_fd, self);
	close(tell_fd);
	if (watcher > 0 && is_reader)
		(void)!pread(file, t.memory, PAGE, 0);
	else if (watcher > 0)
		(void)!pwrite(file, t.memory, PAGE, 0);
	_exit(2);			/* the memory was used? */
}

static pid_t start_holder(int file, bool is_reader)
{
	pid_t parent = getpid(), pid;
	int fds[2];
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		holder_run(file, is_reader, fds[1], parent);
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

pid_t lock_holder_start(int file)
{
	return start_holder(file, false);
}

pid_t lock_holder_start_reader(int file)
{
	return start_holder(file, true);
}

void lock_holder_end(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}
