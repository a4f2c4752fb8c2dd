/* SPDX-License-Identifier: MIT */
/* struct memclient: its memory and the one descriptor that it has in the
 * program's table. */
#include "client/client.h"

#include <errno.h>
#include <sys/mman.h>

static void *map_private(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void client_destroy(struct memclient *mc)
{
	regions_fini(&mc->regions);
	munmap(mc, sizeof(*mc));
}

struct memclient *client_create(void)
{
	struct memclient *mc = map_private(sizeof(*mc));

	if (mc == NULL)
		return NULL;
	mc->inline_fd = -1;
	regions_init(&mc->regions);
	lanes_init(&mc->lanes);
	return mc;
}

static int open_inline(struct memclient *mc)
{
	struct uffd uffd;
	int err = uffd_open(true, &uffd);

	if (err == 0)
		err = descriptor_identify(uffd.fd, &mc->inline_id);
	if (err != 0)
		return err;
	mc->inline_fd = uffd.fd;
	mc->can_poison = uffd.can_poison;
	forks_add(mc);
	return 0;
}

int client_open_inline(struct memclient *mc)
{
	sigset_t mask;
	int err;

	forks_lock(&mask);
	err = open_inline(mc);
	forks_unlock(&mask);
	if (err == -EPERM)
		return errors_set(err, "userfaultfd is not allowed here (by a "
				  "container's seccomp profile?), or the "
				  "kernel has none");
	return err == 0 ? 0 :
		errors_set(err, "userfaultfd: %s", errors_name(err));
}

void client_close_descriptors(struct memclient *mc)
{
	lanes_fini(&mc->lanes);
	descriptor_close(mc->inline_fd, &mc->inline_id);
	mc->inline_fd = -1;
}

void client_leave(struct memclient *mc)
{
	sigset_t mask;

	forks_lock(&mask);
	client_close_descriptors(mc);
	forks_remove(mc);
	forks_unlock(&mask);
}
