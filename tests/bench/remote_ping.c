/* SPDX-License-Identifier: MIT */
/* The floor: request and answer on a bare TCP connection, nothing done for
 * them.  Both ends are plain blocking sockets.  What is answered is always the
 * same block, which stays in the processor's cache, or, spread, the one asked
 * for. */
#include "tests/bench/remote.h"

#include "common/clock.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
	uint64_t id, offset, bytes;
};

static bool read_all(int fd, void *to, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = read(fd, (char *)to + done, length - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool write_all(int fd, struct iovec *iov, size_t count)
{
	while (count > 0) {
		const struct msghdr msg = { .msg_iov = iov,
					    .msg_iovlen = count };
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		while (count > 0 && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return true;
}

/* Header and bytes leave in one call, as memd's do. */
static bool reply(int fd, struct request *rq, char *from, bool is_spread)
{
	struct iovec iov[2] = {
		{ .iov_base = rq, .iov_len = sizeof(*rq) },
		{ .iov_base = from + (is_spread ? rq->offset : 0),
		  .iov_len = (size_t)rq->bytes },
	};

	return write_all(fd, iov, 2);
}

static _Noreturn void serve(int listener, char *from, bool is_spread)
{
	int fd, one = 1;
	struct request rq;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = accept(listener, NULL, NULL);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (fd >= 0 && read_all(fd, &rq, sizeof(rq)) &&
	       rq.bytes <= REMOTE_BLOCK_MAX &&
	       rq.offset <= REMOTE_SPACE_BYTES - rq.bytes &&
	       reply(fd, &rq, from, is_spread))
		;
	_exit(0);
}

static bool ask(int fd, const struct remote_work *work, size_t i,
		uint64_t *sent_ns)
{
	struct request rq = { i, remote_offset(work, i), work->block_bytes };
	struct iovec iov = { .iov_base = &rq, .iov_len = sizeof(rq) };

	sent_ns[i % REMOTE_DEPTH_MAX] = clock_now_ns();
	return write_all(fd, &iov, 1);
}

static bool exchange(int fd, const struct remote_work *work,
		     struct remote_meter *m)
{
	static char bytes[REMOTE_BLOCK_MAX];
	uint64_t sent_ns[REMOTE_DEPTH_MAX] = { 0 };
	struct request rq;

	for (size_t i = 0; i < work->depth && i < work->count; i++)
		if (!ask(fd, work, i, sent_ns))
			return false;
	for (size_t i = 0; i < work->count; i++) {
		if (!read_all(fd, &rq, sizeof(rq)) ||
		    !read_all(fd, bytes, work->block_bytes))
			return false;
		remote_meter_add(m, clock_now_ns() -
				    sent_ns[i % REMOTE_DEPTH_MAX]);
		if (i + work->depth < work->count &&
		    !ask(fd, work, i + work->depth, sent_ns))
			return false;
	}
	return true;
}

static int measure(const struct sockaddr_in *sin,
		   const struct remote_work *work,
		   struct remote_result *ret_result)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct remote_meter m;
	bool is_good = false;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)sin, sizeof(*sin)) == 0 &&
	    remote_meter_init(&m, work->count) == 0) {
		is_good = exchange(fd, work, &m);
		remote_meter_end(&m, ret_result);
	}
	close(fd);
	if (!is_good)
		perror("ping");
	return is_good ? 0 : -1;
}

int remote_ping(const struct remote_place *place,
		const struct remote_work *work, bool is_spread,
		struct remote_result *ret_result)
{
	struct sockaddr_in sin;
	size_t size = is_spread ? REMOTE_SPACE_BYTES : REMOTE_BLOCK_MAX;
	int listener = remote_place_listen(place, &sin), err;
	char *from = malloc(size);
	pid_t pid;

	if (listener < 0 || from == NULL) {
		free(from);
		if (listener >= 0)
			close(listener);
		return -1;
	}
	memset(from, 1, size);
	pid = fork();
	if (pid == 0)
		serve(listener, from, is_spread);
	free(from);
	close(listener);
	if (pid < 0)
		return -1;
	err = measure(&sin, work, ret_result);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}
