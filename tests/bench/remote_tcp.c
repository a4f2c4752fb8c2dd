/* SPDX-License-Identifier: MIT */
/* The floor: request and answer on a bare TCP connection, nothing done for
 * them.  Both ends are plain blocking sockets.  What is answered is always the
 * same block, which stays in the processor's cache. */
#include "tests/bench/remote.h"

#include "common/clock.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* As long as a header of memd's. */
struct request {
	uint64_t id, bytes, unused;
};

static char block[REMOTE_BLOCK_MAX];

static bool receive(int fd, void *to, size_t length)
{
	return recv(fd, to, length, MSG_WAITALL) == (ssize_t)length;
}

static void send_at_once(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Header and bytes leave in one call, as memd's do. */
static _Noreturn void serve(int listener)
{
	struct request rq;
	struct iovec iov[2] = {
		{ .iov_base = &rq, .iov_len = sizeof(rq) },
		{ .iov_base = block },
	};
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = accept(listener, NULL, NULL);
	send_at_once(fd);
	while (receive(fd, &rq, sizeof(rq)) && rq.bytes <= sizeof(block)) {
		iov[1].iov_len = rq.bytes;
		if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static bool ask(int fd, const struct remote_work *work, size_t i,
		uint64_t *sent_ns)
{
	const struct request rq = { .id = i, .bytes = work->block_bytes };

	if (i >= work->count)
		return true;
	sent_ns[i % REMOTE_DEPTH_MAX] = clock_now_ns();
	return send(fd, &rq, sizeof(rq), MSG_NOSIGNAL) == sizeof(rq);
}

static bool exchange(int fd, const struct remote_work *work, uint64_t *ns)
{
	uint64_t sent_ns[REMOTE_DEPTH_MAX];
	struct request rq;

	for (size_t i = 0; i < work->depth; i++)
		if (!ask(fd, work, i, sent_ns))
			return false;
	for (size_t i = 0; i < work->count; i++) {
		if (!receive(fd, &rq, sizeof(rq)) || rq.id != i ||
		    !receive(fd, block, work->block_bytes))
			return false;
		ns[i] = clock_now_ns() - sent_ns[i % REMOTE_DEPTH_MAX];
		if (!ask(fd, work, i + work->depth, sent_ns))
			return false;
	}
	return true;
}

int remote_tcp(const char *address, const struct remote_work *work,
	       uint64_t *ns, uint64_t *ret_all_ns)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr *at = (struct sockaddr *)&sin;
	socklen_t length = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid = -1;
	bool is_good = bind(listener, at, sizeof(sin)) == 0 &&
		       listen(listener, 1) == 0 &&
		       getsockname(listener, at, &length) == 0 &&
		       (pid = fork()) >= 0;
	uint64_t begin_ns;

	(void)address;
	if (pid == 0)
		serve(listener);
	is_good = is_good && connect(fd, at, sizeof(sin)) == 0;
	send_at_once(fd);
	begin_ns = clock_now_ns();
	is_good = is_good && exchange(fd, work, ns);
	*ret_all_ns = clock_now_ns() - begin_ns;
	if (!is_good)
		perror("remote: bare TCP");
	close(listener);
	close(fd);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return is_good ? 0 : -1;
}
