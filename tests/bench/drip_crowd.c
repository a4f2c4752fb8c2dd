/* SPDX-License-Identifier: MIT */
/* A process with many connections, each of which says one byte a second. */
#include "tests/bench/drip.h"

#include "common/clock.h"
#include "proto/wire.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OF_ONE_ADDRESS = 60, TURN_MS = 5, WORDS_BYTES = 256 };

#define MS_NS		UINT64_C(1000000)
#define SECOND_NS	(1000 * MS_NS)

struct drip_crowd_counts {
	_Atomic unsigned there, ended;
};

struct dripper {
	int fd;			/* -1: not there */
	uint64_t next_ns;
	size_t said;		/* of the words that drip */
};

struct crowd {
	struct sockaddr_in to;
	struct drip_crowd_counts *counts;
	uint8_t at_once[WORDS_BYTES], drips[WORDS_BYTES];
	size_t at_once_bytes, drips_bytes;
	struct dripper dripper[DRIPPERS];
};

/* ---- what they say */

static size_t pack_hello(uint8_t *to)
{
	static char command[] = "drip";
	Memd__Hello hello = MEMD__HELLO__INIT;
	ssize_t length;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.has_capabilities = true;
	hello.capabilities = MEMD__CAPABILITY__CAP_STORE;
	hello.command = command;
	length = wire_pack(MEMD__MESSAGE_TYPE__TYPE_HELLO, 1, &hello.base, 0,
			   to, WORDS_BYTES);
	ASSERT(length > 0);
	return (size_t)length;
}

/* The start of a ClientHello of 512 bytes. */
static size_t pack_tls(uint8_t *to)
{
	static const uint8_t start[] = {
		22, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3,
	};

	memset(to, 0x5a, WORDS_BYTES);
	memcpy(to, start, sizeof(start));
	return WORDS_BYTES;
}

static void choose_words(struct crowd *cr, enum drip_kind kind)
{
	switch (kind) {
	case DRIP_HELLO:
		cr->drips_bytes = pack_hello(cr->drips);
		break;
	case DRIP_MESSAGE:
		cr->at_once_bytes = pack_hello(cr->at_once);
		cr->drips_bytes = pack_hello(cr->drips);
		break;
	case DRIP_TLS:
		cr->drips_bytes = pack_tls(cr->drips);
	}
}

/* ---- one of them */

static int connect_from(const struct crowd *cr, unsigned number)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 256 +
				     number / OF_ONE_ADDRESS);
	if (fd >= 0 &&
	    (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	     (connect(fd, (const struct sockaddr *)&cr->to,
		      sizeof(cr->to)) != 0 && errno != EINPROGRESS))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void come(struct crowd *cr, struct dripper *dr)
{
	dr->fd = connect_from(cr, (unsigned)(dr - cr->dripper));
	dr->said = 0;
	if (dr->fd < 0)
		return;
	atomic_fetch_add(&cr->counts->there, 1);
	if (cr->at_once_bytes != 0)
		(void)!send(dr->fd, cr->at_once, cr->at_once_bytes,
			    MSG_NOSIGNAL);
}

/* What has come is read and forgotten. */
static bool is_over(const struct dripper *dr)
{
	char heard[512];
	ssize_t n = recv(dr->fd, heard, sizeof(heard), 0);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void drip(struct crowd *cr, struct dripper *dr)
{
	if (!is_over(dr) &&
	    send(dr->fd, &cr->drips[dr->said++ % cr->drips_bytes], 1,
		 MSG_NOSIGNAL) == 1)
		return;
	close(dr->fd);
	dr->fd = -1;
	atomic_fetch_sub(&cr->counts->there, 1);
	atomic_fetch_add(&cr->counts->ended, 1);
}

static _Noreturn void run(struct crowd *cr)
{
	for (;;) {
		uint64_t now_ns = clock_now_ns();

		for (unsigned i = 0; i < DRIPPERS; i++) {
			struct dripper *dr = &cr->dripper[i];

			if (now_ns < dr->next_ns)
				continue;
			dr->next_ns = now_ns + SECOND_NS;
			if (dr->fd < 0)
				come(cr, dr);
			else
				drip(cr, dr);
		}
		usleep(TURN_MS * 1000);
	}
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static _Noreturn void run_process(enum drip_kind kind, uint16_t port,
				  unsigned spread_ms,
				  struct drip_crowd_counts *counts)
{
	static struct crowd cr;
	uint64_t now_ns = clock_now_ns();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	allow_descriptors();
	cr.counts = counts;
	cr.to.sin_family = AF_INET;
	cr.to.sin_port = htons(port);
	cr.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	choose_words(&cr, kind);
	for (unsigned i = 0; i < DRIPPERS; i++)
		cr.dripper[i] = (struct dripper){
			.fd = -1,
			.next_ns = now_ns + spread_ms * MS_NS * i / DRIPPERS,
		};
	run(&cr);
}

/* ---- from outside */

int drip_crowd_start(struct drip_crowd *crowd, enum drip_kind kind,
		     uint16_t port, unsigned spread_ms)
{
	void *counts = mmap(NULL, sizeof(*crowd->counts),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int err;

	if (counts == MAP_FAILED)
		return -errno;
	*crowd = (struct drip_crowd){ .counts = counts };
	crowd->pid = fork();
	if (crowd->pid == 0)
		run_process(kind, port, spread_ms, counts);
	if (crowd->pid > 0)
		return 0;
	err = -errno;
	munmap(counts, sizeof(*crowd->counts));
	return err;
}

void drip_crowd_stop(struct drip_crowd *crowd)
{
	kill(crowd->pid, SIGKILL);
	waitpid(crowd->pid, NULL, 0);
	munmap(crowd->counts, sizeof(*crowd->counts));
}

void drip_crowd_look(const struct drip_crowd *crowd, unsigned *ret_there,
		     unsigned *ret_ended)
{
	*ret_there = atomic_load(&crowd->counts->there);
	*ret_ended = atomic_load(&crowd->counts->ended);
}
