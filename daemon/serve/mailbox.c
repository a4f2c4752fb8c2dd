/* SPDX-License-Identifier: MIT */
/* See mailbox.h here and, for the rules M1-M5, proto/mailbox.h. */
#include "daemon/serve/mailbox.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/net/dispatch.h"
#include "daemon/serve/session.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	/* Looked into at once: who fills his mailbox all the time does not
	 * make all others wait for the whole of it each time. */
	CELLS_PER_LOOK = 16,
	/* One that rang once does not cost a look ever after. */
	IDLE_NS = 10000000,
};

int mailboxes_init(struct mailboxes *ms, bool is_guarded)
{
	LIST_INIT(&ms->awake);
	return is_guarded ? guard_init(sizeof(struct mailbox)) : 0;
}

void mailboxes_fini(struct mailboxes *ms)
{
	LIST_INIT(&ms->awake);
	guard_fini();
}

/* ---- made and gone */

/* With all its memory, so that where there is none it is an error here. */
static int make_file(int *ret_fd)
{
	int fd = memfd_create("memd-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, sizeof(struct mailbox)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
					   F_SEAL_SEAL) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int mailbox_open(struct session *s, int *ret_fd)
{
	struct mailbox_end *end = &s->mailbox;
	struct mailbox *shared;
	int fd = -1, err;

	if (end->shared != NULL)
		return -EEXIST;
	err = make_file(&fd);
	if (err != 0)
		return err;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	/* Helper processes must not keep it. */
	(void)madvise(shared, sizeof(*shared), MADV_DONTFORK);
	atomic_store(&shared->daemon_sleeps, 1);
	*end = (struct mailbox_end){ .session = s, .shared = shared };
	guard_add(&end->guarded, shared, sizeof(*shared));
	s->daemon->stats.mailboxes++;
	*ret_fd = fd;
	return 0;
}

void mailbox_close(struct session *s)
{
	struct mailbox_end *end = &s->mailbox;

	if (end->shared == NULL)
		return;
	if (end->is_awake)
		LIST_REMOVE(end, link);
	guard_remove(&end->guarded);
	munmap(end->shared, sizeof(*end->shared));
	s->daemon->stats.mailboxes--;
	*end = (struct mailbox_end){ 0 };
}

static void wake(struct mailbox_end *end)
{
	atomic_store(&end->shared->daemon_sleeps, 0);
	end->asked_ns = clock_now_ns();
	if (end->is_awake)
		return;
	end->is_awake = true;
	LIST_INSERT_HEAD(&end->session->daemon->mailboxes.awake, end, link);
	daemon_look_again(end->session->daemon);
}

void mailbox_ring(struct session *s)
{
	struct mailbox_end *end = &s->mailbox;
	struct daemon *d = s->daemon;

	d->stats.mailbox_rings++;
	if (end->shared == NULL)
		return;
	wake(end);
	/* Only what is found in it is worth more than one look. */
	daemon_look_again(d);
}

/* It took memory out, there is no more, and so its questions are lost. */
static void check_guard(const struct mailbox_end *end)
{
	if (end->guarded.is_lost)
		conn_close(end->session->main, "punched holes into its "
			   "mailbox, and there is no memory to fill them");
}

/* Written only when it is another one: clients look at it all the time. */
static void note_cpu(struct mailbox *m)
{
	uint32_t cpu = (uint32_t)sched_getcpu() + 1;

	if (atomic_load_explicit(&m->daemon_cpu, memory_order_relaxed) != cpu)
		atomic_store_explicit(&m->daemon_cpu, cpu,
				      memory_order_relaxed);
}

/* ---- answers, M3 */

bool mailbox_is_library(const struct session *s, unsigned cell)
{
	return atomic_load(&s->mailbox.shared->cell[cell].is_library) != 0;
}

static void wake_asker(struct mailbox_cell *cell)
{
	if (atomic_load(&cell->is_waiting) != 0)
		(void)syscall(SYS_futex, &cell->state, FUTEX_WAKE, INT_MAX,
			      NULL, NULL, 0);
}

static void wake_library(struct session *s, unsigned idx)
{
	struct mailbox *m = s->mailbox.shared;

	atomic_fetch_or(&m->answered, UINT64_C(1) << idx);
	if (atomic_load(&m->library_sleeps) != 0 &&
	    atomic_exchange(&m->library_sleeps, 0) != 0)
		conn_send(s->main, MEMD__MESSAGE_TYPE__TYPE_RING, 0, NULL);
}

/* Whoever got a page is likely to ask for more. */
static void note_answer(struct session *s)
{
	note_cpu(s->mailbox.shared);
	if (s->daemon->config.busy_poll != 0)
		wake(&s->mailbox);
}

/* `state`: ANSWERED or MAPPED. */
static void hand_back(struct session *s, unsigned idx, uint32_t state)
{
	struct mailbox_cell *cell = &s->mailbox.shared->cell[idx];
	uint32_t asked = CELL_ASKED, left = CELL_LEFT;
	/* Now: afterwards the cell is the client's, and soon another's. */
	bool is_library = atomic_load(&cell->is_library) != 0;

	if (atomic_compare_exchange_strong(&cell->state, &asked, state)) {
		if (is_library)
			wake_library(s, idx);
		else
			wake_asker(cell);
	} else {
		(void)atomic_compare_exchange_strong(&cell->state, &left,
						     CELL_FREE);
	}
	check_guard(&s->mailbox);
}

void mailbox_answer(struct session *s, unsigned idx, uint16_t type,
		    uint64_t request_id, const ProtobufCMessage *message)
{
	struct mailbox_cell *cell = &s->mailbox.shared->cell[idx];
	ssize_t packed;

	/* Before the answer, which may be followed by the next question. */
	note_answer(s);
	if (atomic_load(&cell->state) == CELL_ASKED) {
		packed = wire_pack(type, request_id, message, 0, cell->frame,
				   sizeof(cell->frame));
		cell->frame_bytes = packed > 0 ? (uint32_t)packed : 0;
	}
	hand_back(s, idx, CELL_ANSWERED);
}

void mailbox_answer_mapped(struct session *s, unsigned idx)
{
	bool is_awake = s->mailbox.is_awake;

	/* Whoever looks anyway need not be told first. */
	if (!is_awake)
		note_answer(s);
	hand_back(s, idx, CELL_MAPPED);
	if (is_awake)
		note_answer(s);
}

static void answer_error(struct session *s, unsigned idx, uint64_t request_id,
			 int error)
{
	Memd__Error message = MEMD__ERROR__INIT;

	message.code = (uint32_t)-error;
	message.text = (char *)"only a Fault of one page, or Touched, may be "
			       "put into a mailbox";
	mailbox_answer(s, idx, MEMD__MESSAGE_TYPE__TYPE_ERROR, request_id,
		       &message.base);
}

/* ---- requests, M4 */

/* Copy the frame out.  Returns its length, or 0 when it can be none. */
static uint32_t copy_frame(const struct mailbox_cell *cell,
			   uint8_t to[MAILBOX_FRAME_BYTES],
			   struct wire_header *ret_header)
{
	uint32_t bytes = *(volatile const uint32_t *)&cell->frame_bytes;

	if (bytes < WIRE_HEADER_BYTES || bytes > MAILBOX_FRAME_BYTES)
		return 0;
	memcpy(to, cell->frame, bytes);
	if (wire_header_unpack(to, bytes - WIRE_HEADER_BYTES,
			       ret_header) != 0 ||
	    ret_header->version_major != WIRE_VERSION_MAJOR ||
	    ret_header->payload_bytes != 0)
		return 0;
	return bytes;
}

static const void *unpack(struct daemon *d, const struct wire_header *header,
			  const uint8_t *frame)
{
	const ProtobufCMessageDescriptor *descriptor =
		header->type == MEMD__MESSAGE_TYPE__TYPE_FAULT ?
			&memd__fault__descriptor : &memd__touched__descriptor;
	struct wire_arena arena;

	if (header->type != MEMD__MESSAGE_TYPE__TYPE_FAULT &&
	    header->type != MEMD__MESSAGE_TYPE__TYPE_TOUCHED)
		return NULL;
	wire_arena_init(&arena, d->unpack, sizeof(d->unpack));
	return wire_unpack(descriptor, &arena, frame + WIRE_HEADER_BYTES,
			   header->body_bytes);
}

/* NULL, or more than one page: what may not be in a cell. */
static bool is_refused(const struct wire_header *header, const void *message)
{
	return message == NULL ||
	       (header->type == MEMD__MESSAGE_TYPE__TYPE_FAULT &&
		((const Memd__Fault *)message)->n_page != 1);
}

static void take_cell(struct session *s, unsigned idx)
{
	struct mailbox_cell *cell = &s->mailbox.shared->cell[idx];
	uint32_t asked = CELL_ASKED, left = CELL_LEFT;
	uint32_t state = atomic_load(&cell->state);
	struct wire_header header = { 0 };
	uint8_t frame[MAILBOX_FRAME_BYTES];
	const void *message = NULL;

	if (state == CELL_LEFT)
		(void)atomic_compare_exchange_strong(&cell->state, &left,
						     CELL_FREE);
	if (state != CELL_ASKED)
		return;
	if (copy_frame(cell, frame, &header) != 0)
		message = unpack(s->daemon, &header, frame);
	if (is_refused(&header, message)) {
		answer_error(s, idx, header.request_id, -EPROTO);
	} else if (header.type == MEMD__MESSAGE_TYPE__TYPE_TOUCHED) {
		handle_touched_in_cell(s->daemon, s->main, message);
		(void)atomic_compare_exchange_strong(&cell->state, &asked,
						     CELL_FREE);
	} else {
		handle_fault_in_cell(s->daemon, s->main, idx,
				     header.request_id, message);
	}
}

/* A round is what was asked when it began: what is asked meanwhile comes after
 * it, so that no cell waits for another one for ever. */
static unsigned look_into(struct mailbox_end *end)
{
	struct mailbox *m = end->shared;
	unsigned count = 0;

	if (end->seen == 0) {
		if (atomic_load_explicit(&m->asked, memory_order_relaxed) == 0)
			return 0;
		end->seen = atomic_exchange(&m->asked, 0);
		note_cpu(m);
	}
	for (; end->seen != 0 && count < CELLS_PER_LOOK; count++) {
		unsigned idx = (unsigned)__builtin_ctzll(end->seen);

		end->seen &= end->seen - 1;
		if (end->session->main->state == CONN_MAIN)
			take_cell(end->session, idx);
	}
	end->asked_ns = clock_now_ns();
	end->is_used = true;
	check_guard(end);
	return count;
}

unsigned mailboxes_poll(struct daemon *d)
{
	struct mailbox_end *end;
	unsigned count = 0;

	/* Nothing below opens, closes or puts to sleep a mailbox. */
	LIST_FOREACH(end, &d->mailboxes.awake, link)
		count += look_into(end);
	d->stats.mailbox_requests += count;
	d->stats.messages_in += count;
	return count;
}

/* ---- sleeping, M2 */

static bool fall_asleep(struct mailbox_end *end)
{
	if (end->seen != 0)
		return false;
	atomic_store(&end->shared->daemon_sleeps, 1);
	if (atomic_load(&end->shared->asked) != 0) {
		atomic_store(&end->shared->daemon_sleeps, 0);
		return false;
	}
	end->is_awake = false;
	LIST_REMOVE(end, link);
	return true;
}

void mailboxes_doze(struct daemon *d, uint64_t now_ns)
{
	struct mailbox_end *end = LIST_FIRST(&d->mailboxes.awake);

	while (end != NULL) {
		struct mailbox_end *next = LIST_NEXT(end, link);

		if (end->asked_ns + IDLE_NS < now_ns)
			(void)fall_asleep(end);
		end = next;
	}
}

bool mailboxes_sleep(struct daemon *d)
{
	struct mailbox_end *end = LIST_FIRST(&d->mailboxes.awake);
	bool is_quiet = true;

	while (end != NULL) {
		struct mailbox_end *next = LIST_NEXT(end, link);

		is_quiet &= fall_asleep(end);
		end = next;
	}
	return is_quiet;
}
