/* SPDX-License-Identifier: MIT */
/* The thread and the owner share the struct; the last one to release it frees
 * it.  So the owner may release it at any time, and the thread may end at any
 * time. */
#include "swapstore/remote_lookup.h"

#include "common/thread.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK_BYTES = 512 * 1024 };

struct remote_lookup {
	atomic_uint holders;
	atomic_bool has_ended;	/* then `error` and `all` belong to the owner */
	int event_fd;
	int error;		/* EAI_… */
	struct addrinfo *all;	/* owned */
	char *host, *port;	/* owned */
};

static void lookup_put(struct remote_lookup *lk)
{
	if (atomic_fetch_sub(&lk->holders, 1) != 1)
		return;
	if (lk->all != NULL)
		freeaddrinfo(lk->all);
	if (lk->event_fd >= 0)
		close(lk->event_fd);
	free(lk->host);
	free(lk->port);
	free(lk);
}

static void *lookup_main(void *arg)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct remote_lookup *lk = arg;

	lk->error = getaddrinfo(lk->host, lk->port, &hints, &lk->all);
	if (lk->error != 0)
		lk->all = NULL;
	atomic_store(&lk->has_ended, true);
	(void)eventfd_write(lk->event_fd, 1);
	lookup_put(lk);
	return NULL;
}

int remote_lookup_start(const char *host, const char *port,
			struct remote_lookup **ret_lookup)
{
	struct remote_lookup *lk = calloc(1, sizeof(*lk));
	int err;

	if (lk == NULL)
		return -ENOMEM;
	atomic_init(&lk->holders, 1);
	lk->host = strdup(host);
	lk->port = strdup(port);
	lk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = lk->event_fd < 0 ? -errno : 0;
	if (err == 0 && (lk->host == NULL || lk->port == NULL))
		err = -ENOMEM;
	if (err == 0) {
		atomic_store(&lk->holders, 2);
		err = thread_start(NULL, STACK_BYTES, lookup_main, lk);
		if (err != 0)
			atomic_store(&lk->holders, 1);
	}
	if (err != 0)
		lookup_put(lk);
	else
		*ret_lookup = lk;
	return err;
}

int remote_lookup_event_fd(const struct remote_lookup *lk)
{
	return lk->event_fd;
}

int remote_lookup_take(struct remote_lookup *lk, struct addrinfo **ret_all)
{
	if (!atomic_load(&lk->has_ended))
		return EAI_INPROGRESS;
	if (lk->error == 0) {
		*ret_all = lk->all;
		lk->all = NULL;
	}
	return lk->error;
}

void remote_lookup_destroy(struct remote_lookup *lk)
{
	if (lk != NULL)
		lookup_put(lk);
}
