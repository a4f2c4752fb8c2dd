/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_connect.h"

#include "common/clock.h"
#include "proto/tcp_options.h"
#include "swapstore/remote_lookup.h"
#include "swapstore/remote_wait.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Most bytes that the kernel holds unsent: a read must not wait behind more. */
enum { NOT_SENT_BYTES = 128 * 1024 };

#define MS_NS		UINT64_C(1000000)
/* How long to wait for a lookup if there are older addresses to try. */
#define LOOKUP_NS	(1000 * MS_NS)

/* ---- one address */

static void set_options(const struct remote_link *link, int fd)
{
	const struct tcp_patience patience = {
		.idle_s = 10,
		.interval_s = 5,
		.probe_count = 3,
		.unacknowledged_ms = (int)(link->timeout_ns / MS_NS),
	};
	const int not_sent = NOT_SENT_BYTES;

	tcp_options_set(fd, &patience);
	tcp_options_avoid_pacing(fd);
	/* optional: it only makes reads faster */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent,
			 sizeof(not_sent));
}

/* Begin to connect to the next address.  Returns 0 or -errno. */
static int connect_next(struct remote_link *link)
{
	const struct addrinfo *ai = link->next_address;
	int fd, err;

	link->next_address = ai->ai_next;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return remote_state_blame(link, -errno, "socket: %s",
					  strerror(errno));
	set_options(link, fd);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		err = errno == EAGAIN ? -EADDRNOTAVAIL : -errno;
		close(fd);
		return remote_state_blame(link, err, "%s", strerror(-err));
	}
	err = remote_stream_open(&link->stream, fd, link->tls,
				 link->address.host);
	if (err == 0)
		err = remote_wait_watch(link, fd, EPOLLOUT);
	if (err != 0)
		return remote_state_blame(link, err, "%s", strerror(-err));
	link->interest = EPOLLOUT;
	remote_state_enter(link, REMOTE_CONNECTING,
			   link->timeout_ns / link->address.count);
	return 0;
}

int remote_connect_go_on(struct remote_link *link)
{
	int fd = link->stream.channel.fd, error = 0;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t length = sizeof(error);

	if (poll(&pfd, 1, 0) != 1)
		return -EAGAIN;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error != 0)
		return remote_state_blame(link, -error, "%s", strerror(error));
	remote_state_enter(link, REMOTE_SECURING, link->timeout_ns);
	return 0;
}

/* ---- the name */

void remote_connect_rewind(struct remote_link *link)
{
	link->next_address = link->address.all;
	link->must_look_up = !link->address.is_number;
}

static int connect_or_blame(struct remote_link *link)
{
	if (link->next_address != NULL)
		return connect_next(link);
	return remote_state_blame(link, -EHOSTUNREACH, "cannot find %s: %s",
				  link->address.host, link->lookup_error);
}

static int lookup_begin(struct remote_link *link)
{
	struct remote_lookup *lookup;
	int err = remote_lookup_start(link->address.host, link->address.port,
				      &lookup);

	if (err != 0)
		return err;
	err = remote_wait_watch(link, remote_lookup_event_fd(lookup), EPOLLIN);
	if (err != 0)
		remote_lookup_destroy(lookup);
	else
		link->lookup = lookup;
	return err;
}

/* If the lookup cannot start, because there are no threads, try the addresses
 * that are known. */
int remote_connect_begin(struct remote_link *link)
{
	int err = 0;

	if (!link->must_look_up)
		return connect_or_blame(link);
	link->must_look_up = false;
	snprintf(link->lookup_error, sizeof(link->lookup_error), "%s",
		 strerror(ETIMEDOUT));
	if (link->lookup == NULL)
		err = lookup_begin(link);
	if (err != 0) {
		snprintf(link->lookup_error, sizeof(link->lookup_error), "%s",
			 strerror(-err));
		return connect_or_blame(link);
	}
	remote_state_enter(link, REMOTE_LOOKING, link->address.count == 0 ?
			   link->timeout_ns : MIN(LOOKUP_NS, link->timeout_ns));
	return 0;
}

int remote_connect_look(struct remote_link *link)
{
	if (link->lookup != NULL && clock_now_ns() < link->deadline_ns)
		return -EAGAIN;
	return connect_or_blame(link);
}

void remote_connect_adopt(struct remote_link *link)
{
	struct addrinfo *all = NULL;
	int error = link->lookup == NULL ? EAI_INPROGRESS :
		    remote_lookup_take(link->lookup, &all);

	if (error == EAI_INPROGRESS)
		return;
	remote_wait_forget(link, remote_lookup_event_fd(link->lookup));
	remote_lookup_destroy(link->lookup);
	link->lookup = NULL;
	if (error != 0) {
		snprintf(link->lookup_error, sizeof(link->lookup_error), "%s",
			 gai_strerror(error));
		return;
	}
	remote_address_set(&link->address, all);
	link->next_address = link->address.all;
	link->must_look_up = false;
}
