/* SPDX-License-Identifier: MIT */
/* See floor.h.  All but the last part runs in a process of its own for each
 * measurement. */
#include "tests/bench/floor.h"

#include "client/uffd.h"
#include "common/clock.h"
#include "tests/bench/child.h"
#include "tests/bench/order.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
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
	ANSWER_BYTES = 48,
	SPINS_BEFORE_YIELD = 1000,
	WARM_UP_NS = 50 * 1000 * 1000,
};

const char *const floor_how_names[FLOOR_HOWS] = {
	[FLOOR_KERNEL] = "kernel",
	[FLOOR_INLINE] = "inline",
	[FLOOR_THREAD] = "thread",
};

const char *const floor_ask_names[FLOOR_ASKS] = {
	[FLOOR_NONE] = "none",
	[FLOOR_SOCKET] = "socket",
	[FLOOR_MAILBOX] = "mailbox",
	[FLOOR_MAILBOX_ZERO] = "mailbox+zero",
};

const struct floor_kind floor_kinds[FLOOR_KINDS] = {
	{ FLOOR_KERNEL, FLOOR_NONE },
	{ FLOOR_INLINE, FLOOR_NONE },
	{ FLOOR_INLINE, FLOOR_SOCKET },
	{ FLOOR_INLINE, FLOOR_MAILBOX },
	{ FLOOR_INLINE, FLOOR_MAILBOX_ZERO },
	{ FLOOR_THREAD, FLOOR_NONE },
	{ FLOOR_THREAD, FLOOR_SOCKET },
	{ FLOOR_THREAD, FLOOR_MAILBOX },
	{ FLOOR_THREAD, FLOOR_MAILBOX_ZERO },
};

/* On two cache lines. */
struct mailbox {
	_Alignas(64) _Atomic uint32_t request;
	_Atomic uint64_t offset;	/* of the page asked for */
	_Alignas(64) _Atomic uint32_t reply;
};

/* Of one measurement.  Static, as the SIGBUS handler has no argument. */
static struct {
	enum floor_ask ask;
	struct uffd uffd;
	int socket[2];		/* ours, the answering process's */
	struct mailbox *box;
	uint32_t request;
	uint8_t *at;		/* the memory, */
	int file;		/* the file behind it, */
	size_t bytes;		/* and its size */
} floor_of;

static bool is_mailbox(void)
{
	return floor_of.ask == FLOOR_MAILBOX ||
	       floor_of.ask == FLOOR_MAILBOX_ZERO;
}

static void die(const char *what, int error)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
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

static void ask(size_t offset)
{
	switch (floor_of.ask) {
	case FLOOR_NONE:
		break;
	case FLOOR_SOCKET:
		if (!exchange(floor_of.socket[0], true))
			_exit(EXIT_FAILURE);
		break;
	default:
		atomic_store_explicit(&floor_of.box->offset, offset,
				      memory_order_relaxed);
		atomic_store(&floor_of.box->request, ++floor_of.request);
		for (unsigned i = 0; atomic_load(&floor_of.box->reply) !=
				     floor_of.request; i++)
			spin(i);
		break;
	}
}

/* Two that spin for each other on one processor are no floor, and nothing is
 * gained by letting the scheduler find that out: the one who answers gets a
 * processor, the first we may use, and all others stay with us.  With one
 * alone both have to share it. */
static void choose_processors(bool is_answerer)
{
	cpu_set_t all, one;
	size_t cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) != 0 ||
	    CPU_COUNT(&all) < 2)
		return;
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CPU_CLR(cpu, &all);
	/* A hint: it also works where this is not allowed. */
	(void)sched_setaffinity(0, sizeof(one), is_answerer ? &one : &all);
}

/* What the answering process does about it: a page into its own mapping. */
struct alias {
	uint8_t *at;
	struct uffd uffd;
};

static uint8_t *map_file(int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED || madvise(at, bytes, MADV_NOHUGEPAGE) != 0)
		die("mmap", errno);
	return at;
}

static void open_alias(struct alias *a)
{
	int err = uffd_open(false, &a->uffd);

	a->at = map_file(floor_of.file, floor_of.bytes);
	if (err == 0)
		err = uffd_register(a->uffd.fd, (uintptr_t)a->at,
				    floor_of.bytes, true);
	if (err != 0)
		die("userfaultfd", -err);
}

static void answer_mailbox(void)
{
	struct mailbox *box = floor_of.box;
	struct alias alias = { 0 };

	if (floor_of.ask == FLOOR_MAILBOX_ZERO)
		open_alias(&alias);
	for (unsigned i = 0;; i++) {
		uint32_t request = atomic_load(&box->request);

		if (request != atomic_load(&box->reply)) {
			if (alias.at != NULL)
				uffd_zero(alias.uffd.fd,
					  (uintptr_t)alias.at + box->offset);
			atomic_store(&box->reply, request);
			i = 0;
		}
		spin(i);
	}
}

/* The other process; killed when it is not needed any more. */
static void answer_all(void)
{
	char message[ANSWER_BYTES] = { 0 };
	int fd = floor_of.socket[1];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(floor_of.socket[0]);
	if (is_mailbox()) {
		choose_processors(true);
		answer_mailbox();
	}
	while (exchange(fd, false))
		if (send(fd, message, sizeof(message), MSG_NOSIGNAL) < 0)
			_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

/* ---- taking the fault */

static void resolve(uintptr_t address)
{
	uintptr_t page = address & ~(uintptr_t)(PAGE_BYTES - 1);

	ask(page - (uintptr_t)floor_of.at);
	if (uffd_map(floor_of.uffd.fd, page, PAGE_BYTES, page, PAGE_BYTES) !=
	    UFFD_MAPPED)
		_exit(EXIT_FAILURE);
}

/* Until both sides have come to speed. */
static void warm_up(void)
{
	uint64_t end = clock_now_ns() + WARM_UP_NS;

	while (floor_of.ask != FLOOR_NONE && clock_now_ns() < end)
		ask(0);
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
	bool is_moved;

	for (;;) {
		(void)poll(&pfd, 1, -1);
		if (uffd_read(pfd.fd, &fault, 1, &is_moved) == 1)
			resolve(fault.address);
	}
	return arg;
}

static void take_faults(enum floor_how how)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus,
				.sa_flags = SA_SIGINFO };
	pthread_t thread;
	int err = uffd_open(how == FLOOR_INLINE, &floor_of.uffd);

	if (err == 0)
		err = uffd_register(floor_of.uffd.fd, (uintptr_t)floor_of.at,
				    floor_of.bytes, true);
	if (err != 0)
		die("userfaultfd", -err);
	if (how == FLOOR_INLINE)
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
static void measure(size_t page_count, struct floor_result *r)
{
	const struct order order = { .kind = ORDER_SCATTERED,
				     .page_count = page_count };
	uint64_t *samples = calloc(page_count, sizeof(*samples)), sum = 0;

	if (samples == NULL)
		die("samples", ENOMEM);
	for (size_t i = 0; i < page_count; i++) {
		size_t page = order_page(&order, i);
		volatile uint64_t *word = (void *)(floor_of.at +
						   page * PAGE_BYTES);
		uint64_t begin = clock_now_ns(), value = *word;

		samples[i] = clock_now_ns() - begin;
		sum += samples[i];
		if (value != (floor_of.ask == FLOOR_MAILBOX_ZERO ? 0 : page))
			die("WRONG PAGE", EILSEQ);
	}
	qsort(samples, page_count, sizeof(*samples), by_value);
	r->mean_ns = (double)sum / (double)page_count;
	r->p50_ns = (double)samples[page_count / 2];
	r->p99_ns = (double)samples[page_count * 99 / 100];
	free(samples);
}

static int file_with_pages(size_t page_count)
{
	int fd = memfd_create("floor", MFD_CLOEXEC);
	uint8_t *at;

	if (fd < 0 || ftruncate(fd, (off_t)(page_count * PAGE_BYTES)) != 0)
		die("memfd", errno);
	if (floor_of.ask == FLOOR_MAILBOX_ZERO)
		return fd;
	at = map_file(fd, page_count * PAGE_BYTES);
	for (uint64_t page = 0; page < page_count; page++)
		memcpy(at + page * PAGE_BYTES, &page, sizeof(page));
	munmap(at, page_count * PAGE_BYTES);
	return fd;
}

struct measurement {
	const struct floor_kind *kind;
	size_t page_count;
	struct floor_result *result;	/* in shared memory */
};

static int measure_apart(void *arg)
{
	const struct measurement *m = arg;
	pid_t answerer = 0;

	floor_of.ask = m->kind->ask;
	floor_of.bytes = m->page_count * PAGE_BYTES;
	floor_of.file = file_with_pages(m->page_count);
	floor_of.at = map_file(floor_of.file, floor_of.bytes);
	floor_of.box = mmap(NULL, sizeof(*floor_of.box), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (floor_of.box == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
		       floor_of.socket) != 0)
		die("channel", errno);
	if (floor_of.ask != FLOOR_NONE && (answerer = fork()) == 0)
		answer_all();
	if (answerer < 0)
		die("fork", errno);
	if (is_mailbox())
		choose_processors(false);
	if (m->kind->how != FLOOR_KERNEL)
		take_faults(m->kind->how);
	warm_up();
	measure(m->page_count, m->result);
	if (answerer > 0) {
		kill(answerer, SIGKILL);
		waitpid(answerer, NULL, 0);
	}
	return EXIT_SUCCESS;
}

/* ---- in the caller */

int floor_probe(void)
{
	struct uffd uffd;
	int err = uffd_open(true, &uffd);

	if (err == 0)
		close(uffd.fd);
	return err;
}

int floor_run(const struct floor_kind *kind, size_t page_count,
	      struct floor_result *ret_result)
{
	struct measurement m = { .kind = kind, .page_count = page_count };
	int status;

	m.result = mmap(NULL, sizeof(*m.result), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m.result == MAP_FAILED)
		return -EIO;
	status = child_run(measure_apart, &m);
	*ret_result = *m.result;
	munmap(m.result, sizeof(*m.result));
	if (status == 0 || status == -EINTR)
		return status;
	fprintf(stderr, "floor: %s, %s: failed with status %d\n",
		floor_how_names[kind->how], floor_ask_names[kind->ask],
		status);
	return -EIO;
}
