/* SPDX-License-Identifier: MIT */
/* The mailbox of the tests' own daemon: see client_fake_mailbox.h. */
#include "tests/integration/client_fake_mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(bool is_true, const char *what)
{
	if (!is_true) {
		perror(what);
		_exit(3);
	}
}

/* ---- made and gone */

static void hang_bell(struct fake_box *box, int ret_fds[2])
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
	     "bell");
	box->bell = fds[0];
	ret_fds[1] = fds[1];
}

void fake_box_open(struct fake_box *box, bool has_bell, bool is_small,
		   int ret_fds[2])
{
	int fd = memfd_create("fake-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0 && ftruncate(fd, sizeof(struct mailbox)) == 0 &&
	     fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0, "box");
	box->shared = mmap(NULL, sizeof(*box->shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	must(box->shared != MAP_FAILED, "map box");
	for (unsigned i = FAKE_CELLS_FEW; is_small && i < MAILBOX_CELLS; i++)
		atomic_store(&box->shared->cell[i].state, CELL_LEFT);
	atomic_store(&box->shared->daemon_sleeps, 1);
	box->bell = -1;
	ret_fds[0] = fd;
	ret_fds[1] = -1;
	if (has_bell)
		hang_bell(box, ret_fds);
}

void fake_box_close(struct fake_box *box)
{
	if (box->shared == NULL)
		return;
	munmap(box->shared, sizeof(*box->shared));
	box->shared = NULL;
	if (box->bell >= 0)
		close(box->bell);
	box->bell = -1;
}

/* ---- what comes */

unsigned fake_box_hear(struct fake_box *box)
{
	char bytes[64];
	ssize_t n = recv(box->bell, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n == 0) {
		close(box->bell);
		box->bell = -1;
	}
	return n > 0 ? (unsigned)n : 0;
}

uint64_t fake_box_look(struct fake_box *box)
{
	uint64_t asked = atomic_exchange(&box->shared->asked, 0);

	if (asked == 0) {
		atomic_store(&box->shared->daemon_sleeps, 1);
		asked = atomic_exchange(&box->shared->asked, 0);
	}
	return asked;
}

bool fake_box_read(const struct fake_box *box, unsigned cell,
		   uint8_t frame[MAILBOX_FRAME_BYTES],
		   struct wire_header *ret_header)
{
	struct mailbox_cell *c = &box->shared->cell[cell];
	uint32_t left = CELL_LEFT;

	if (atomic_compare_exchange_strong(&c->state, &left, CELL_FREE) ||
	    left != CELL_ASKED)
		return false;
	memcpy(frame, c->frame, MAILBOX_FRAME_BYTES);
	must(wire_header_unpack(frame, MAILBOX_FRAME_BYTES - WIRE_HEADER_BYTES,
				ret_header) == 0, "header in a cell");
	must(c->frame_bytes == WIRE_HEADER_BYTES + ret_header->body_bytes,
	     "length in a cell");
	return true;
}

bool fake_box_is_library(const struct fake_box *box, unsigned cell)
{
	return atomic_load(&box->shared->cell[cell].is_library) != 0;
}

/* ---- answers */

bool fake_box_answer(struct fake_box *box, unsigned cell, const void *bytes,
		     size_t count, uint32_t frame_bytes)
{
	struct mailbox_cell *c = &box->shared->cell[cell];
	bool is_library = fake_box_is_library(box, cell);
	uint32_t asked = CELL_ASKED;

	memcpy(c->frame, bytes, count);
	c->frame_bytes = frame_bytes;
	if (!atomic_compare_exchange_strong(&c->state, &asked,
					    CELL_ANSWERED)) {
		fake_box_free(box, cell);
		return false;
	}
	if (is_library) {
		atomic_fetch_or(&box->shared->answered, UINT64_C(1) << cell);
		return atomic_exchange(&box->shared->library_sleeps, 0) != 0;
	}
	(void)syscall(SYS_futex, &c->state, FUTEX_WAKE, INT_MAX, NULL, NULL,
		      0);
	return false;
}

void fake_box_free(struct fake_box *box, unsigned cell)
{
	atomic_store(&box->shared->cell[cell].state, CELL_FREE);
}
