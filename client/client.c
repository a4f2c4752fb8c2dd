/* SPDX-License-Identifier: MIT */
/* struct memclient: its memory, its parts, and its descriptors in the program's
 * table. */
#include "client/client.h"

#include <errno.h>
#include <sys/mman.h>

/* Close the descriptors that are in the program's table, unless the program has
 * closed them and used their numbers again. */
static void close_descriptors(void *ctx)
{
	struct memclient *mc = ctx;

	bell_fini(&mc->bell);
	area_files_fini(&mc->files);
	descriptor_close(mc->inlines.uffd, &mc->inlines.uffd_id);
	mc->inlines.uffd = -1;
}

struct memclient *client_create(void)
{
	struct memclient *mc = mmap(NULL, sizeof(*mc), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mc == MAP_FAILED)
		return NULL;
	mc->open.drop = close_descriptors;
	mc->open.ctx = mc;
	mc->inlines = (struct inlines){
		.uffd = -1,
		.open = &mc->open,
		.settings = &mc->settings,
		.regions = &mc->space.regions,
		.commands = &mc->commands,
		.touched = &mc->touched,
		.box = &mc->box,
		.desk = &mc->desk,
	};
	mc->desk.bell = &mc->bell;
	mc->desk.files = &mc->files;
	mc->box.bell = &mc->bell;
	mc->direct.box = &mc->box;
	regions_init(&mc->space.regions);
	return mc;
}

void client_destroy(struct memclient *mc)
{
	regions_fini(&mc->space.regions);
	client_desk_fini(&mc->desk);
	munmap(mc, sizeof(*mc));
}

static int open_locked(struct memclient *mc)
{
	struct uffd uffd;
	int err = bell_init(&mc->bell);

	mc->files.hook.fd[0] = mc->files.hook.fd[1] = -1;
	if (err == 0)
		err = area_files_init(&mc->files);
	if (err == 0)
		err = uffd_open(true, &uffd);
	if (err == 0)
		err = descriptor_identify(uffd.fd, &mc->inlines.uffd_id);
	if (err != 0) {
		bell_fini(&mc->bell);
		area_files_fini(&mc->files);
		return err;
	}
	mc->inlines.uffd = mc->space.inline_fd = uffd.fd;
	mc->space.can_poison = uffd.can_poison;
	forks_add(&mc->open);
	return 0;
}

int client_open_inline(struct memclient *mc)
{
	sigset_t mask;
	int err;

	forks_lock(&mask);
	err = open_locked(mc);
	forks_unlock(&mask);
	if (err == -EPERM)
		return errors_set(err, "userfaultfd is not allowed here (by a "
				  "container's seccomp profile?), or the "
				  "kernel has none");
	return err == 0 ? 0 :
		errors_set(err, "userfaultfd: %s", errors_name(err));
}

int client_start(struct memclient *mc)
{
	const struct handler_parts parts = {
		.settings = &mc->settings,
		.space = &mc->space,
		.commands = &mc->commands,
		.touched = &mc->touched,
		.hook = mc->bell.hook,
		.box = &mc->box,
		.area_hook = mc->files.hook,
		.files = &mc->files,
		.desk = &mc->desk,
		.direct = &mc->direct,
	};
	int err = loop_start(&mc->loop, &parts, &mc->inlines.uffd_id);
	sigset_t mask;

	forks_lock(&mask);
	bell_part(&mc->bell);
	area_files_part(&mc->files);
	forks_unlock(&mask);
	return err;
}

void client_leave(struct memclient *mc)
{
	sigset_t mask;

	forks_lock(&mask);
	close_descriptors(mc);
	forks_remove(&mc->open);
	forks_unlock(&mask);
}
