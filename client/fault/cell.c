/* SPDX-License-Identifier: MIT */
/* The cells of a mailbox: see cell.h. */
#include "client/fault/cell.h"
#include "client/link/futex.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The daemon must not be able to shrink the file under us. */
static bool is_mailbox(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == sizeof(struct mailbox);
}

int cells_map(int fd, struct mailbox **ret_mailbox)
{
	void *at;

	if (!is_mailbox(fd))
		return -EPROTO;
	at = mmap(NULL, sizeof(**ret_mailbox), PROT_READ | PROT_WRITE,
		  MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(at, sizeof(**ret_mailbox), MADV_DONTFORK);
	*ret_mailbox = at;
	return 0;
}

struct mailbox_cell *cell_take(struct mailbox *m, size_t first)
{
	for (size_t i = 0; i < MAILBOX_CELLS; i++) {
		struct mailbox_cell *cell =
			&m->cell[(first + i) % MAILBOX_CELLS];
		uint32_t expected = CELL_FREE;

		if (atomic_load_explicit(&cell->state,
					 memory_order_relaxed) == CELL_FREE &&
		    atomic_compare_exchange_strong(&cell->state, &expected,
						   CELL_TAKEN))
			return cell;
	}
	return NULL;
}

int cell_fill(struct mailbox_cell *cell, uint16_t type, uint64_t id,
	      const ProtobufCMessage *message)
{
	ssize_t packed = wire_pack(type, id, message, 0, cell->frame,
				   sizeof(cell->frame));

	if (packed < 0) {
		atomic_store(&cell->state, CELL_FREE);
		return -EAGAIN;
	}
	cell->frame_bytes = (uint32_t)packed;
	return 0;
}

bool cell_must_ring(struct mailbox *m)
{
	return atomic_load(&m->daemon_sleeps) != 0 &&
	       atomic_exchange(&m->daemon_sleeps, 0) != 0;
}

bool cell_hand_over(struct mailbox *m, struct mailbox_cell *cell)
{
	atomic_store(&cell->state, CELL_ASKED);
	atomic_fetch_or(&m->asked, UINT64_C(1) << (cell - m->cell));
	return cell_must_ring(m);
}

bool cell_sleep(struct mailbox_cell *cell, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};

	return syscall(SYS_futex, &cell->state, FUTEX_WAIT, CELL_ASKED, &ts,
		       NULL, 0) == 0 || errno != ETIMEDOUT;
}

bool cell_copy(const struct mailbox_cell *cell,
	       uint8_t to[MAILBOX_FRAME_BYTES], struct wire_header *ret_header)
{
	uint32_t bytes = *(volatile const uint32_t *)&cell->frame_bytes;

	if (bytes < WIRE_HEADER_BYTES || bytes > MAILBOX_FRAME_BYTES)
		return false;
	memcpy(to, cell->frame, bytes);
	return wire_header_unpack(to, bytes - WIRE_HEADER_BYTES,
				  ret_header) == 0;
}
