/* SPDX-License-Identifier: MIT */
#include "tests/integration/testmemd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	EXIT_KERNEL_REFUSES = 3,	/* memd(8), EXIT STATUS */
	EXIT_SKIP = 77,
	PATIENCE_MS = 60 * 1000,	/* a hang, not a slow machine */
	FLAGS_MAX = 64,
};

static const char *memd_path(void)
{
	const char *path = getenv("MEMD_BIN");

	return path != NULL && *path != '\0' ? path : MEMD_PATH;
}

static int now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int)(ts.tv_sec % 1000000) * 1000 + (int)(ts.tv_nsec / 1000000);
}

static int pidfd_open_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* In the child: become memd. */
static void exec_memd(char **argv, int output_fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	execv(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* An autobound abstract datagram socket; its address goes to NOTIFY_SOCKET. */
static int notify_socket(char *ret_address, size_t size)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sun, &len) != 0) {
		close(fd);
		return -1;
	}
	snprintf(ret_address, size, "@%.*s",
		 (int)(len - sizeof(sa_family_t) - 1), sun.sun_path + 1);
	return fd;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void forget(struct testmemd *tm)
{
	if (tm->pidfd >= 0)
		close(tm->pidfd);
	if (tm->notify_fd >= 0)
		close(tm->notify_fd);
	if (tm->dir[0] != '\0')
		(void)nftw(tm->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	*tm = (struct testmemd){ .pidfd = -1, .notify_fd = -1 };
}

static int make_folder(struct testmemd *tm)
{
	if (mkdtemp(temporary_template("memd-test", tm->dir)) == NULL) {
		perror(tm->dir);
		tm->dir[0] = '\0';
		return -1;
	}
	snprintf(tm->socket, sizeof(tm->socket), "%s/memd.sock", tm->dir);
	snprintf(tm->log, sizeof(tm->log), "%s/log", tm->dir);
	return 0;
}

/* log_fd: where its output goes; -1: to the file tm->log. */
static int spawn(struct testmemd *tm, const char *const *flags, int log_fd)
{
	char socket_flag[128], swap_flag[128], address[64];
	char *argv[FLAGS_MAX + 8];
	pid_t parent = getpid();
	size_t n = 0;

	snprintf(socket_flag, sizeof(socket_flag), "--socket=%s", tm->socket);
	snprintf(swap_flag, sizeof(swap_flag), "--swap-dir=%s", tm->dir);
	argv[n++] = (char *)memd_path();
	argv[n++] = socket_flag;
	argv[n++] = swap_flag;
	argv[n++] = "--pool-size=16M";
	argv[n++] = "--swap-size=80M";
	argv[n++] = "--log-level=debug";
	for (; flags != NULL && *flags != NULL && n < FLAGS_MAX; flags++)
		argv[n++] = (char *)*flags;
	argv[n] = NULL;

	log_fd = log_fd >= 0 ? fcntl(log_fd, F_DUPFD_CLOEXEC, 0) :
		open(tm->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	tm->notify_fd = notify_socket(address, sizeof(address));
	if (log_fd < 0 || tm->notify_fd < 0) {
		perror(tm->log);
		return -1;
	}
	fflush(NULL);
	tm->pid = fork();
	if (tm->pid == 0) {
		setenv("NOTIFY_SOCKET", address, 1);
		exec_memd(argv, log_fd, parent);
	}
	close(log_fd);
	if (tm->pid < 0) {
		tm->pid = 0;
		perror("fork");
		return -1;
	}
	tm->pidfd = pidfd_open_of(tm->pid);
	return tm->pidfd < 0 ? -1 : 0;
}

/* Returns the exit status, 128 + signal, or -1. */
static int reap(struct testmemd *tm)
{
	int status;

	if (waitpid(tm->pid, &status, 0) != tm->pid)
		return -1;
	tm->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

int testmemd_begin(struct testmemd *tm, const char *const *flags)
{
	*tm = (struct testmemd){ .pidfd = -1, .notify_fd = -1 };
	if (make_folder(tm) == 0 && spawn(tm, flags, -1) == 0)
		return 0;
	forget(tm);
	return -1;
}

int testmemd_start(struct testmemd *tm, const char *const *flags)
{
	return testmemd_start_log(tm, flags, -1);
}

int testmemd_start_log(struct testmemd *tm, const char *const *flags,
		       int log_fd)
{
	int status;

	*tm = (struct testmemd){ .pidfd = -1, .notify_fd = -1 };
	if (make_folder(tm) != 0 || spawn(tm, flags, log_fd) != 0) {
		forget(tm);
		return -1;
	}
	if (testmemd_await(tm, "READY=1") == 0)
		return 0;
	kill(tm->pid, SIGKILL);
	status = reap(tm);
	testmemd_dump_log(tm);
	forget(tm);
	if (status == EXIT_KERNEL_REFUSES) {
		printf("skipped: the kernel does not let memd run (above)\n");
		exit(EXIT_SKIP);
	}
	fprintf(stderr, "memd did not start: status %d\n", status);
	return -1;
}

int testmemd_await(struct testmemd *tm, const char *text)
{
	int deadline = now_ms() + PATIENCE_MS;

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = tm->notify_fd, .events = POLLIN },
			{ .fd = tm->pidfd, .events = POLLIN },
		};
		char message[4096];
		ssize_t n;
		int left = deadline - now_ms();

		if (left <= 0 || poll(fds, 2, left) <= 0)
			return -1;
		if (fds[0].revents == 0)
			return -1;
		n = recv(tm->notify_fd, message, sizeof(message) - 1, 0);
		if (n < 0)
			return -1;
		message[n] = '\0';
		if (strstr(message, text) != NULL)
			return 0;
	}
}

int testmemd_stop(struct testmemd *tm)
{
	struct pollfd pfd = { .fd = tm->pidfd, .events = POLLIN };
	int status;

	if (tm->pid == 0)
		return -1;
	kill(tm->pid, SIGTERM);
	if (poll(&pfd, 1, PATIENCE_MS) != 1) {
		fprintf(stderr, "memd does not stop\n");
		kill(tm->pid, SIGABRT);
	}
	status = reap(tm);
	if (status != 0) {
		fprintf(stderr, "memd ended with status %d\n", status);
		testmemd_dump_log(tm);
	}
	forget(tm);
	return status == 0 ? 0 : -1;
}

void testmemd_kill(struct testmemd *tm)
{
	if (tm->pid != 0) {
		kill(tm->pid, SIGKILL);
		(void)reap(tm);
	}
	forget(tm);
}

int testmemd_connect(const struct testmemd *tm)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", tm->socket);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Is the task with this file below /proc a thread that writes a log, and at
 * work? */
static bool is_busy_writer(const char *path)
{
	char line[256] = "", state = 'S';
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL ||
	    sscanf(line, "%*d (memd-log) %c", &state) != 1)
		state = 'S';
	fclose(f);
	return state != 'S';
}

static bool is_writing(const struct testmemd *tm)
{
	char path[64], stat[384];
	bool is_busy = false;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", tm->pid);
	tasks = tm->pid == 0 ? NULL : opendir(path);
	if (tasks == NULL)
		return false;
	while ((entry = readdir(tasks)) != NULL) {
		snprintf(stat, sizeof(stat), "%s/%s/stat", path,
			 entry->d_name);
		is_busy |= is_busy_writer(stat);
	}
	closedir(tasks);
	return is_busy;
}

/* A thread writes it, which sleeps when all is written. */
FILE *testmemd_open_log(const struct testmemd *tm)
{
	int deadline = now_ms() + PATIENCE_MS;

	while (is_writing(tm) && now_ms() < deadline)
		usleep(1000);
	return fopen(tm->log, "re");
}

unsigned testmemd_log_count(const struct testmemd *tm, const char *text)
{
	FILE *log = testmemd_open_log(tm);
	char *line = NULL;
	size_t size = 0;
	unsigned count = 0;

	if (log == NULL)
		return 0;
	while (getline(&line, &size, log) > 0)
		count += strstr(line, text) != NULL;
	free(line);
	fclose(log);
	return count;
}

/* Does the descriptor of memd with this file below /proc belong to a file on a
 * disk that has no name? */
static bool is_swap_file(const char *path)
{
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	struct stat st;

	if (n < 0)
		return false;
	target[n] = '\0';
	return target[0] == '/' && strncmp(target, "/memfd:", 7) != 0 &&
	       stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0;
}

int testmemd_open_swap(const struct testmemd *tm, int *ret_fds, int most)
{
	char folder[64], path[384];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", tm->pid);
	dir = opendir(folder);
	if (dir == NULL)
		return -1;
	while (count >= 0 && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (!is_swap_file(path))
			continue;
		if (count < most) {
			ret_fds[count] = open(path, O_RDWR | O_CLOEXEC);
			if (ret_fds[count] < 0)
				count = -2;
		}
		count++;
	}
	closedir(dir);
	return count;
}

void testmemd_dump_log(const struct testmemd *tm)
{
	FILE *log = fopen(tm->log, "re");
	char *line = NULL;
	size_t size = 0;

	if (log == NULL)
		return;
	while (getline(&line, &size, log) > 0)
		fprintf(stderr, "memd: %s", line);
	free(line);
	fclose(log);
}

/* Read until end of file or the deadline; what does not fit is dropped. */
static int collect(int fd, char *output, size_t output_size)
{
	int deadline = now_ms() + PATIENCE_MS;
	size_t used = 0;

	output[0] = '\0';
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		char chunk[1024];
		int left = deadline - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&pfd, 1, left) <= 0)
			return -1;
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			return n == 0 ? 0 : -1;
		for (ssize_t i = 0; i < n && used + 1 < output_size; i++)
			output[used++] = chunk[i];
		output[used] = '\0';
	}
}

int testmemd_run(const char *const *flags, char *output, size_t output_size)
{
	char *argv[FLAGS_MAX + 2];
	pid_t parent = getpid(), pid;
	int fds[2], status;
	size_t n = 0;

	argv[n++] = (char *)memd_path();
	for (; flags != NULL && *flags != NULL && n < FLAGS_MAX; flags++)
		argv[n++] = (char *)*flags;
	argv[n] = NULL;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exec_memd(argv, fds[1], parent);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	if (collect(fds[0], output, output_size) != 0)
		kill(pid, SIGKILL);
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}
