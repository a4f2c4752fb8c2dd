/* SPDX-License-Identifier: MIT */
/* The floor: request and answer on a bare TCP connection, nothing done for
 * them.  Both ends are plain blocking sockets. */
#include "tests/bench/remote.h"

#include "common/clock.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

static bool write_all(int fd, const void *from, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = send(fd, (const char *)from + done, length - done,
				 MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* Header and bytes leave in one call, as memd's do. */
static _Noreturn void serve(int listener)
{
	static char reply[sizeof(struct request) + REMOTE_BLOCK_MAX];
	int fd, one = 1;
	struct request rq;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = accept(listener, NULL, NULL);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (fd >= 0 && read_all(fd, &rq, sizeof(rq)) &&
	       rq.bytes <= REMOTE_BLOCK_MAX) {
		memcpy(reply, &rq, sizeof(rq));
		if (!write_all(fd, reply, sizeof(rq) + (size_t)rq.bytes))
			break;
	}
	_exit(0);
}

static int listen_here(struct sockaddr_in *ret_sin)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t length = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(fd, 1) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &length) != 0) {
		perror("ping: listen");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*ret_sin = sin;
	return fd;
}

static bool ask(int fd, const struct remote_work *work, size_t i,
		uint64_t *sent_ns)
{
	struct request rq = { i, remote_offset(work, i), work->block_bytes };

	sent_ns[i % REMOTE_DEPTH_MAX] = clock_now_ns();
	return write_all(fd, &rq, sizeof(rq));
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

int remote_ping(const struct remote_work *work,
		struct remote_result *ret_result)
{
	struct sockaddr_in sin;
	int listener = listen_here(&sin), err;
	pid_t pid;

	if (listener < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		serve(listener);
	close(listener);
	if (pid < 0)
		return -1;
	err = measure(&sin, work, ret_result);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}
