/* SPDX-License-Identifier: MIT */
/* struct memclient: its memory and the one descriptor that it has in the
 * program's table. */
#include "client/client.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map_private(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static size_t alive_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The page that the kernel wipes in a child. */
static volatile uint8_t *map_alive(void)
{
	uint8_t *at = map_private(alive_bytes());

	if (at != NULL && madvise(at, alive_bytes(), MADV_WIPEONFORK) != 0) {
		munmap(at, alive_bytes());
		at = NULL;
	}
	if (at != NULL)
		*at = 1;
	return at;
}

void client_destroy(struct memclient *mc)
{
	if (mc->alive != NULL)
		munmap((void *)mc->alive, alive_bytes());
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
	mc->alive = map_alive();
	if (mc->alive == NULL) {
		client_destroy(mc);
		return NULL;
	}
	return mc;
}

int client_open_inline(struct memclient *mc)
{
	struct uffd uffd;
	int err = uffd_open(true, &uffd);

	if (err == -EPERM)
		return errors_set(err, "userfaultfd is not allowed here (by a "
				  "container's seccomp profile?), or the "
				  "kernel has none");
	if (err != 0)
		return errors_set(err, "userfaultfd: %s", errors_name(err));
	err = descriptor_identify(uffd.fd, &mc->inline_id);
	if (err != 0) {
		close(uffd.fd);
		return errors_set(err, "fstat: %s", errors_name(err));
	}
	mc->inline_fd = uffd.fd;
	mc->can_poison = uffd.can_poison;
	return 0;
}

void client_close_inline(struct memclient *mc)
{
	descriptor_close(mc->inline_fd, &mc->inline_id);
	mc->inline_fd = -1;
}
