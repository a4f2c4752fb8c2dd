/* SPDX-License-Identifier: MIT */
/* memd's end of the bell of a mailbox.  A byte that comes from the other end,
 * which the client has, means what Ring means.
 *
 * The bell is a pair of sockets.  It is no pipe: whoever writes to a pipe holds
 * its lock while the kernel reads the bytes from the writer's memory.  A client
 * can make that last for ever (userfaultfd, a file system of its own), and
 * whoever reads the pipe would wait for the lock, even with O_NONBLOCK.
 *
 * The client may write without end, or nothing; it may shut its end down or
 * close it.  What is read at once is bounded, and a bell that is muted costs
 * nothing.
 *
 * Threads: the loop's.  Nothing blocks. */
#ifndef MEMD_SERVE_DOORBELL_H
#define MEMD_SERVE_DOORBELL_H

#include "common/checks.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

struct doorbell {
	int fd;			/* -1: there is none */
	bool is_muted;
	struct event rung;
};

/* Make a bell and listen to it: on_rung(ctx) is to call doorbell_read().
 * *ret_fd, the client's end, is the caller's.  0 or -errno. */
int doorbell_open(struct doorbell *bell, struct event_base *base,
		  event_callback_fn on_rung, void *ctx, int *ret_fd) MUST_CHECK;

/* Accepts one that is not there. */
void doorbell_close(struct doorbell *bell);

/* Read some of the bytes that have come.  0: it was rung.  -EAGAIN: it was not.
 * -EPIPE: it will not be rung any more. */
int doorbell_read(const struct doorbell *bell) MUST_CHECK;

/* Do not listen until doorbell_listen().  What comes meanwhile is kept. */
void doorbell_mute(struct doorbell *bell);

/* Returns 0, or -ENOMEM: it cannot be listened to. */
int doorbell_listen(struct doorbell *bell) MUST_CHECK;

#endif
