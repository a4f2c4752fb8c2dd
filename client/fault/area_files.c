/* SPDX-License-Identifier: MIT */
#include "client/fault/area_files.h"
#include "client/link/forks.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOT_BYTES = 4096 };

union file_control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr aligned;
};

/* ---- made and gone */

static void close_end(struct area_files *af, unsigned end)
{
	descriptor_close(af->hook.fd[end], &af->hook.id[end]);
	af->hook.fd[end] = -1;
}

int area_files_init(struct area_files *af)
{
	int err = 0;

	af->hook.fd[0] = af->hook.fd[1] = -1;
	af->pid = getpid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, af->hook.fd) != 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		af->hook.fd[i] = descriptor_raise(af->hook.fd[i]);
		if (af->hook.fd[i] < 0)
			err = -errno;
		else if (descriptor_identify(af->hook.fd[i],
					     &af->hook.id[i]) != 0)
			err = -EBADF;
	}
	if (err != 0)
		area_files_fini(af);
	return err;
}

void area_files_part(struct area_files *af)
{
	close_end(af, 1);
}

void area_files_fini(struct area_files *af)
{
	uint32_t used = atomic_load(&af->used);

	close_end(af, 0);
	close_end(af, 1);
	for (uint32_t i = 0; i < used; i++) {
		atomic_store(&af->entry[i].count, 0);
		descriptor_close(atomic_load(&af->entry[i].fd),
				 &af->entry[i].id);
	}
	atomic_store(&af->used, 0);
}

/* ---- fetching: R2, R4 */

static void forget_entry(struct area_files *af, uint32_t i)
{
	atomic_store(&af->entry[i].count, 0);
	descriptor_close(atomic_exchange(&af->entry[i].fd, -1),
			 &af->entry[i].id);
}

static uint32_t entry_for(const struct area_files *af, uint32_t first)
{
	uint32_t used = atomic_load(&af->used), free = used;

	for (uint32_t i = 0; i < used; i++) {
		uint32_t count = atomic_load(&af->entry[i].count);

		if (count != 0 && atomic_load(&af->entry[i].first) == first)
			return i;
		if (count == 0 && free == used)
			free = i;
	}
	return free;
}

static void set_entry(struct area_files *af, const struct area_hung *file,
		      int fd)
{
	uint32_t i = entry_for(af, file->first);

	if (file->first == AREA_FILES_ALL) {
		for (i = 0; i < atomic_load(&af->used); i++)
			forget_entry(af, i);
		return;
	}
	if (i < atomic_load(&af->used))
		forget_entry(af, i);
	if (fd < 0)
		return;
	if (i == AREA_FILES_MAX ||
	    descriptor_identify(fd, &af->entry[i].id) != 0) {
		/* close() is a cancellation point (B6 in bell.c). */
		syscall(SYS_close, fd);
		return;
	}
	atomic_store(&af->entry[i].first, file->first);
	atomic_store(&af->entry[i].fd, fd);
	atomic_store(&af->entry[i].count, file->count);
	if (i == atomic_load(&af->used))
		atomic_store(&af->used, i + 1);
}

/* False: there is none. */
static bool fetch_one(struct area_files *af)
{
	struct iovec iov = { &af->fetched, sizeof(af->fetched) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &af->control,
			    .msg_controllen = sizeof(af->control) };
	long n = syscall(SYS_recvmsg, af->hook.fd[0], &m,
			 MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = -1;

	if (n != sizeof(af->fetched))
		return false;
	atomic_fetch_sub(&af->hung, 1);
	if (m.msg_controllen != 0) {
		memcpy(&fd, CMSG_DATA(&af->control.aligned), sizeof(fd));
		fd = descriptor_raise(fd);
	}
	if (fd >= 0 || af->fetched.count == 0)
		set_entry(af, &af->fetched, fd);
	return true;
}

static void fetch_files(struct area_files *af)
{
	if (atomic_load(&af->hung) == 0 || getpid() != af->pid ||
	    atomic_exchange(&af->is_fetching, true))
		return;
	if (descriptor_is(af->hook.fd[0], &af->hook.id[0]) &&
	    forks_begin_fetch()) {
		while (fetch_one(af))
			;
		forks_end_fetch();
	}
	atomic_store(&af->is_fetching, false);
}

/* ---- reading: R1 */

static int find_file(const struct area_files *af, uint32_t slot,
		     uint32_t *ret_first)
{
	uint32_t used = atomic_load(&af->used);

	for (uint32_t i = 0; i < used; i++) {
		uint32_t count = atomic_load(&af->entry[i].count);
		uint32_t first = atomic_load(&af->entry[i].first);

		if (slot >= first && slot - first < count) {
			*ret_first = first;
			return atomic_load(&af->entry[i].fd);
		}
	}
	return -1;
}

int area_files_read(struct area_files *af, uint32_t slot, void *buffer)
{
	uint32_t first = 0;
	long n;
	int fd;

	fetch_files(af);
	fd = find_file(af, slot, &first);
	if (fd < 0)
		return -ENOENT;
	do
		n = syscall(SYS_pread64, fd, buffer, SLOT_BYTES,
			    (long)(slot - first) * SLOT_BYTES);
	while (n < 0 && errno == EINTR);
	return n == SLOT_BYTES ? 0 : n < 0 ? -errno : -EIO;
}

/* ---- the library's thread */

bool area_files_is_hook(const struct area_hook *hook)
{
	return descriptor_is(hook->fd[0], &hook->id[0]) &&
	       descriptor_is(hook->fd[1], &hook->id[1]);
}

void area_files_hang(struct area_files *af, const struct area_hook *hook,
		     uint32_t first, uint32_t count, int fd)
{
	struct area_hung file = { first, fd < 0 ? 0 : count };
	union file_control control = { .bytes = { 0 } };
	struct iovec iov = { &file, sizeof(file) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.aligned.cmsg_level = SOL_SOCKET;
		control.aligned.cmsg_type = SCM_RIGHTS;
		control.aligned.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.aligned), &fd, sizeof(fd));
	}
	atomic_fetch_add(&af->hung, 1);
	if (sendmsg(hook->fd[1], &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		atomic_fetch_sub(&af->hung, 1);
}
