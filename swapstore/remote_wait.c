/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_wait.h"

#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MS_NS UINT64_C(1000000)

/* ---- descriptors */

int remote_wait_watch(struct remote_link *link, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	if (fd < 0 ||
	    epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	return 0;
}

void remote_wait_forget(struct remote_link *link, int fd)
{
	(void)epoll_ctl(link->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int remote_wait_init(struct remote_link *link)
{
	int err;

	link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (link->epoll_fd < 0)
		return -errno;
	link->timer_fd = timerfd_create(CLOCK_MONOTONIC,
					TFD_CLOEXEC | TFD_NONBLOCK);
	err = remote_wait_watch(link, link->timer_fd, EPOLLIN);
	if (err != 0)
		return err;
	link->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return remote_wait_watch(link, link->ready_fd, EPOLLIN);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void remote_wait_fini(struct remote_link *link)
{
	close_fd(&link->ready_fd);
	close_fd(&link->timer_fd);
	close_fd(&link->epoll_fd);
}

/* ---- what to wait for */

static void settle_interest(struct remote_link *link)
{
	const struct remote_stream *s = &link->stream;
	struct epoll_event event = { .events = EPOLLIN };

	if (!s->is_open)
		return;
	if (link->state == REMOTE_CONNECTING)
		event.events = EPOLLOUT;
	else if (s->waits_to_write || s->channel.wants_write)
		event.events |= EPOLLOUT;
	if (event.events == link->interest)
		return;
	if (epoll_ctl(link->epoll_fd, EPOLL_CTL_MOD, s->channel.fd,
		      &event) == 0)
		link->interest = event.events;
}

/* The earlier of two times; 0 means never. */
static uint64_t sooner(uint64_t a_ns, uint64_t b_ns)
{
	if (a_ns == 0 || b_ns == 0)
		return MAX(a_ns, b_ns);
	return MIN(a_ns, b_ns);
}

/* A timer that is set too early stays: this costs less than setting it again
 * for every request. */
static void settle_timer(struct remote_link *link)
{
	uint64_t at_ns = sooner(remote_state_end_ns(link), link->wake_ns);
	struct itimerspec when = { 0 };

	if (link->armed_ns == at_ns)
		return;
	if (link->armed_ns != 0 && (at_ns == 0 || link->armed_ns < at_ns) &&
	    clock_now_ns() < link->armed_ns)
		return;
	when.it_value.tv_sec = (time_t)(at_ns / UINT64_C(1000000000));
	when.it_value.tv_nsec = (long)(at_ns % UINT64_C(1000000000));
	if (timerfd_settime(link->timer_fd, TFD_TIMER_ABSTIME, &when,
			    NULL) == 0)
		link->armed_ns = at_ns;
}

void remote_wait_settle(struct remote_link *link, bool is_ready)
{
	eventfd_t ignored;

	is_ready = is_ready || (link->stream.is_open &&
				link->state >= REMOTE_SECURING &&
				channel_has_input(&link->stream.channel));
	if (is_ready != link->is_ready) {
		if (is_ready)
			(void)eventfd_write(link->ready_fd, 1);
		else
			(void)eventfd_read(link->ready_fd, &ignored);
		link->is_ready = is_ready;
	}
	settle_interest(link);
	settle_timer(link);
}

void remote_wait_until(const struct remote_link *link, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = link->epoll_fd, .events = POLLIN };
	uint64_t now_ns = clock_now_ns();

	if (now_ns < until_ns)
		(void)poll(&pfd, 1, (int)((until_ns - now_ns) / MS_NS) + 1);
}
