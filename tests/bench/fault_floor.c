/* SPDX-License-Identifier: MIT */
/* What one fault costs before memd does anything for it: the floor under every
 * figure of the paging benchmark.  Uses the library's userfaultfd calls, but
 * no daemon: a forked process stands for it, and says yes to everything.
 *
 *   fault taken   thread: a handler thread sleeps in poll()
 *                 inline: SIGBUS in the thread that faults
 *   asks          none: the page is there already
 *                 socket: 48 bytes to the other process, 48 back
 *                 mailbox: through shared memory, both sides spinning, and
 *                          yielding now and then to whom they wait for
 *
 * Each page of a file in memory is touched once, in an order without
 * neighbours.  `fault_floor [PAGES]`; under taskset(1) for one processor.
 * Exit: 0, 1 something failed, 77 no userfaultfd. */
#include "client/uffd.h"
#include "common/clock.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PAGE_BYTES = UFFD_UNIT_BYTES,
	PAGES_DEFAULT = 16384,
	STRIDE = 7919,		/* a prime: visits every page once */
	ANSWER_BYTES = 48,
	SPINS_BEFORE_YIELD = 1000,
	EXIT_SKIP = 77,
};

enum ask { ASK_NONE, ASK_SOCKET, ASK_MAILBOX };
enum how { HOW_KERNEL, HOW_INLINE, HOW_THREAD };	/* takes the fault */

static const char *const ask_names[] = { "none", "socket", "mailbox" };
static const char *const how_names[] = { "kernel", "inline", "thread" };

/* On two cache lines. */
struct mailbox {
	_Alignas(64) _Atomic uint32_t request;
	_Alignas(64) _Atomic uint32_t reply;
};

/* Of one measurement.  Static, as the SIGBUS handler has no argument. */
static struct {
	enum ask ask;
	struct uffd uffd;
	int socket[2];		/* ours, the answering process's */
	struct mailbox *box;
	uint32_t request;
} floor_of;

static void die(const char *what, int error)
{
	fprintf(stderr, "fault_floor: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

/* ---- asking and answering */

static void spin(unsigned round)
{
	if (round % SPINS_BEFORE_YIELD == SPINS_BEFORE_YIELD - 1)
		sched_yield();
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static bool exchange(int fd, bool is_first)
{
	char message[ANSWER_BYTES] = { 0 };

	if (is_first && send(fd, message, sizeof(message), 0) !=
				(ssize_t)sizeof(message))
		return false;
	return recv(fd, message, sizeof(message), MSG_WAITALL) ==
	       (ssize_t)sizeof(message);
}

static void ask(void)
{
	switch (floor_of.ask) {
	case ASK_NONE:
		break;
	case ASK_SOCKET:
		if (!exchange(floor_of.socket[0], true))
			_exit(EXIT_FAILURE);
		break;
	case ASK_MAILBOX:
		atomic_store(&floor_of.box->request, ++floor_of.request);
		for (unsigned i = 0; atomic_load(&floor_of.box->reply) !=
				     floor_of.request; i++)
			spin(i);
		break;
	}
}

/* The other process; killed when it is not needed any more. */
static void answer_all(void)
{
	char message[ANSWER_BYTES] = { 0 };
	int fd = floor_of.socket[1];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(floor_of.socket[0]);
	while (floor_of.ask == ASK_SOCKET && exchange(fd, false))
		if (send(fd, message, sizeof(message), MSG_NOSIGNAL) < 0)
			_exit(EXIT_FAILURE);
	for (unsigned i = 0; floor_of.ask == ASK_MAILBOX; i++) {
		uint32_t request = atomic_load(&floor_of.box->request);

		if (request != atomic_load(&floor_of.box->reply)) {
			atomic_store(&floor_of.box->reply, request);
			i = 0;
		}
		spin(i);
	}
	_exit(EXIT_SUCCESS);
}

/* ---- taking the fault */

static void resolve(uintptr_t address)
{
	uintptr_t page = address & ~(uintptr_t)(PAGE_BYTES - 1);

	ask();
	if (uffd_map(floor_of.uffd.fd, page, PAGE_BYTES, page, PAGE_BYTES) !=
	    UFFD_MAPPED)
		_exit(EXIT_FAILURE);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	resolve((uintptr_t)info->si_addr);
}

static void *handler_main(void *arg)
{
	struct pollfd pfd = { .fd = floor_of.uffd.fd, .events = POLLIN };
	struct uffd_fault fault;

	for (;;) {
		(void)poll(&pfd, 1, -1);
		if (uffd_read(pfd.fd, &fault, 1) == 1)
			resolve(fault.address);
	}
	return arg;
}

static void take_faults(enum how how, void *at, size_t bytes)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus,
				.sa_flags = SA_SIGINFO };
	pthread_t thread;
	int err = uffd_open(how == HOW_INLINE, &floor_of.uffd);

	if (err == 0)
		err = uffd_register(floor_of.uffd.fd, (uintptr_t)at, bytes,
				    true);
	if (err != 0)
		die("userfaultfd", -err);
	if (how == HOW_INLINE)
		sigaction(SIGBUS, &sa, NULL);
	else if ((err = pthread_create(&thread, NULL, handler_main, NULL)) != 0)
		die("thread", err);
}

/* ---- measuring */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Touch every page.  Its own number is in each, so a wrong page is noticed. */
static void measure(uint8_t *at, size_t page_count, const char *label)
{
	uint64_t *samples = calloc(page_count, sizeof(*samples)), sum = 0;

	if (samples == NULL)
		die("samples", ENOMEM);
	for (size_t i = 0; i < page_count; i++) {
		size_t page = i * STRIDE % page_count;
		volatile uint64_t *word = (void *)(at + page * PAGE_BYTES);
		uint64_t begin = clock_now_ns(), value = *word;

		samples[i] = clock_now_ns() - begin;
		sum += samples[i];
		if (value != page)
			die("WRONG PAGE", EILSEQ);
	}
	qsort(samples, page_count, sizeof(*samples), by_value);
	printf("%-18s %8llu %8llu %8llu\n", label,
	       (unsigned long long)(sum / page_count),
	       (unsigned long long)samples[page_count / 2],
	       (unsigned long long)samples[page_count * 99 / 100]);
	fflush(stdout);
	free(samples);
}

static uint8_t *map_file(int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED || madvise(at, bytes, MADV_NOHUGEPAGE) != 0)
		die("mmap", errno);
	return at;
}

static int file_with_pages(size_t page_count)
{
	int fd = memfd_create("fault_floor", MFD_CLOEXEC);
	uint8_t *at;

	if (fd < 0 || ftruncate(fd, (off_t)(page_count * PAGE_BYTES)) != 0)
		die("memfd", errno);
	at = map_file(fd, page_count * PAGE_BYTES);
	for (uint64_t page = 0; page < page_count; page++)
		memcpy(at + page * PAGE_BYTES, &page, sizeof(page));
	munmap(at, page_count * PAGE_BYTES);
	return fd;
}

/* One line of the table, in a process of its own. */
static void run(enum how how, enum ask asks, size_t page_count)
{
	size_t bytes = page_count * PAGE_BYTES;
	uint8_t *at = map_file(file_with_pages(page_count), bytes);
	pid_t answerer = 0;
	char label[32];

	floor_of.ask = asks;
	floor_of.box = mmap(NULL, sizeof(*floor_of.box), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (floor_of.box == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
		       floor_of.socket) != 0)
		die("channel", errno);
	if (asks != ASK_NONE && (answerer = fork()) == 0)
		answer_all();
	if (answerer < 0)
		die("fork", errno);
	if (how != HOW_KERNEL)
		take_faults(how, at, bytes);
	snprintf(label, sizeof(label), "%s, %s", how_names[how],
		 ask_names[asks]);
	measure(at, page_count, label);
	if (answerer > 0) {
		kill(answerer, SIGKILL);
		waitpid(answerer, NULL, 0);
	}
	_exit(EXIT_SUCCESS);
}

static bool run_apart(enum how how, enum ask asks, size_t page_count)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(how, asks, page_count);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool has_userfaultfd(void)
{
	struct uffd uffd;
	int err = uffd_open(true, &uffd);

	if (err == 0) {
		close(uffd.fd);
		return true;
	}
	printf("skipped: no userfaultfd: %s\n", strerror(-err));
	return false;
}

int main(int argc, char **argv)
{
	long pages = argc > 1 ? strtol(argv[1], NULL, 10) : PAGES_DEFAULT;
	bool is_ok;

	if (argc > 2 || pages < 1 || pages > 1 << 20 || pages % STRIDE == 0) {
		fprintf(stderr, "usage: fault_floor [PAGES], at most 1048576, "
			"no multiple of %d\n", STRIDE);
		return 64;
	}
	if (!has_userfaultfd())
		return EXIT_SKIP;
	printf("%-18s %8s %8s %8s\n", "ns a fault", "mean", "p50", "p99");
	is_ok = run_apart(HOW_KERNEL, ASK_NONE, (size_t)pages);
	for (enum how how = HOW_INLINE; how <= HOW_THREAD; how++)
		for (enum ask asks = ASK_NONE; asks <= ASK_MAILBOX; asks++)
			is_ok &= run_apart(how, asks, (size_t)pages);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
