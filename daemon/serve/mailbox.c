/* SPDX-License-Identifier: MIT */
/* See mailbox.h here and, for the rules M1-M5, proto/mailbox.h. */
#include "daemon/serve/mailbox.h"

#include "common/clock.h"
#include "daemon/net/awake.h"
#include "daemon/net/conn_output.h"
#include "daemon/stats/stats.h"
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
	/* One that rang once does not cost a look ever after. */
	IDLE_NS = 10000000,
	/* Rings by the bell while the mailbox is awake that are no flood: they
	 * were on their way when it woke by itself. */
	NEEDLESS_MAX = 16,
};

void mailboxes_init(struct mailboxes *ms, const struct config *config,
		    struct stats *stats, struct awake *awake)
{
	ms->config = config;
	ms->stats = stats;
	ms->loop = awake;
	LIST_INIT(&ms->awake);
}

/* ---- made and gone */

/* With all its memory, so that where there is none it is an error here. */
static int make_mailbox_file(int *ret_fd)
{
	int fd = memfd_create("memd-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, sizeof(struct mailbox)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int mailbox_open(struct mailboxes *ms, struct mailbox_end *end,
		 struct conn *main, int *ret_fd)
{
	struct mailbox *shared;
	int fd = -1, err;

	if (end->shared != NULL)
		return -EEXIST;
	err = make_mailbox_file(&fd);
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
	*end = (struct mailbox_end){ .all = ms, .main = main, .file = fd,
				     .shared = shared, .bell = { .fd = -1 } };
	ms->descriptor_count++;
	ms->stats->mailboxes++;
	*ret_fd = fd;
	return 0;
}

static void close_file(struct mailbox_end *end)
{
	if (end->file < 0)
		return;
	close(end->file);
	end->file = -1;
	end->all->descriptor_count--;
}

static void close_bell(struct mailbox_end *end)
{
	if (end->bell.fd < 0)
		return;
	doorbell_close(&end->bell);
	end->all->descriptor_count--;
}

void mailbox_close(struct mailbox_end *end)
{
	if (end->shared == NULL)
		return;
	if (end->is_awake)
		LIST_REMOVE(end, link);
	close_file(end);
	close_bell(end);
	munmap(end->shared, sizeof(*end->shared));
	end->all->stats->mailboxes--;
	*end = (struct mailbox_end){ 0 };
}

/* The client has mapped it, so now is the time to forbid what it may have done
 * until now: to punch holes, each of which would be a SIGBUS here where the
 * kernel has no memory to fill it with. */
static int seal_mailbox(struct mailbox_end *end)
{
	int err = 0;

	if (end->file < 0)
		return 0;
	if (fcntl(end->file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE |
					  F_SEAL_SEAL) != 0 ||
	    fallocate(end->file, 0, 0, sizeof(struct mailbox)) != 0)
		err = -errno;
	close_file(end);
	return err;
}

static void mailbox_wake(struct mailbox_end *end)
{
	atomic_store(&end->shared->daemon_sleeps, 0);
	end->asked_ns = clock_now_ns();
	if (end->is_awake)
		return;
	end->is_awake = true;
	LIST_INSERT_HEAD(&end->all->awake, end, link);
	awake_look_again(end->all->loop);
}

void mailbox_ring(struct mailboxes *ms, struct mailbox_end *end)
{
	ms->stats->mailbox_rings++;
	if (end->shared == NULL)
		return;
	if (seal_mailbox(end) != 0) {
		conn_close(end->main, "its mailbox cannot be sealed with all "
				      "its memory");
		mailbox_close(end);
		return;
	}
	mailbox_wake(end);
	/* Only what is found in it is worth more than one look. */
	awake_look_again(ms->loop);
}

/* ---- the bell */

/* A flood of rings is not listened to until the mailbox sleeps: memd looks into
 * it anyway. */
static void note_needless_ring(struct mailbox_end *end)
{
	if (++end->needless_rings > NEEDLESS_MAX)
		doorbell_mute(&end->bell);
}

static void take_rings(struct mailbox_end *end)
{
	bool was_awake = end->is_awake;
	int err = doorbell_read(&end->bell);

	if (err == -EPIPE)
		close_bell(end);
	if (err != 0)
		return;
	end->all->stats->bells_rung++;
	/* Then there may be nothing else. */
	if (end->all->has_rung_for_desk(end->main) &&
	    atomic_load(&end->shared->asked) == 0)
		return;
	mailbox_ring(end->all, end);
	if (was_awake)
		note_needless_ring(end);
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
	struct mailbox_end *end = arg;
	struct conns *all = end->main->all;

	(void)fd;
	(void)what;
	take_rings(end);
	all->ops->settle(all->ctx);
}

int mailbox_add_bell(struct mailbox_end *end, int *ret_fd)
{
	int err = doorbell_open(&end->bell, end->main->all->base, on_bell, end,
				ret_fd);

	end->all->descriptor_count += err == 0;
	return err;
}

/* Written only when it is another one: clients look at it all the time. */
void mailbox_note_cpu(struct mailbox *m)
{
	uint32_t cpu = (uint32_t)sched_getcpu() + 1;

	if (atomic_load_explicit(&m->daemon_cpu, memory_order_relaxed) != cpu)
		atomic_store_explicit(&m->daemon_cpu, cpu,
				      memory_order_relaxed);
}

/* ---- answers, M3 */

bool mailbox_is_library(const struct mailbox_end *end, unsigned cell)
{
	return atomic_load(&end->shared->cell[cell].is_library) != 0;
}

static void wake_asker(struct mailbox_cell *cell)
{
	if (atomic_load(&cell->is_waiting) != 0)
		(void)syscall(SYS_futex, &cell->state, FUTEX_WAKE, INT_MAX,
			      NULL, NULL, 0);
}

static void wake_library(struct mailbox_end *end, unsigned idx)
{
	struct mailbox *m = end->shared;

	atomic_fetch_or(&m->answered, UINT64_C(1) << idx);
	if (atomic_load(&m->library_sleeps) != 0 &&
	    atomic_exchange(&m->library_sleeps, 0) != 0)
		conn_send(end->main, MEMD__MESSAGE_TYPE__TYPE_RING, 0, NULL);
}

/* Whoever got a page is likely to ask for more. */
static void note_answer(struct mailbox_end *end)
{
	mailbox_note_cpu(end->shared);
	if (end->all->config->busy_poll != 0)
		mailbox_wake(end);
}

/* `state`: ANSWERED or MAPPED. */
static void hand_back(struct mailbox_end *end, unsigned idx, uint32_t state)
{
	struct mailbox_cell *cell = &end->shared->cell[idx];
	uint32_t asked = CELL_ASKED, left = CELL_LEFT;
	/* Now: afterwards the cell is the client's, and soon another's. */
	bool is_library = atomic_load(&cell->is_library) != 0;

	if (atomic_compare_exchange_strong(&cell->state, &asked, state)) {
		if (is_library)
			wake_library(end, idx);
		else
			wake_asker(cell);
	} else {
		(void)atomic_compare_exchange_strong(&cell->state, &left,
						     CELL_FREE);
	}
}

void mailbox_answer(struct mailbox_end *end, unsigned idx, uint16_t type,
		    uint64_t request_id, const ProtobufCMessage *message)
{
	struct mailbox_cell *cell = &end->shared->cell[idx];
	ssize_t packed;

	/* Before the answer, which may be followed by the next question. */
	note_answer(end);
	if (atomic_load(&cell->state) == CELL_ASKED) {
		packed = wire_pack(type, request_id, message, 0, cell->frame,
				   sizeof(cell->frame));
		cell->frame_bytes = packed > 0 ? (uint32_t)packed : 0;
	}
	hand_back(end, idx, CELL_ANSWERED);
}

void mailbox_answer_mapped(struct mailbox_end *end, unsigned idx)
{
	bool is_awake = end->is_awake;

	/* Whoever looks anyway need not be told first. */
	if (!is_awake)
		note_answer(end);
	hand_back(end, idx, CELL_MAPPED);
	if (is_awake)
		note_answer(end);
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
	end->needless_rings = 0;
	if (doorbell_listen(&end->bell) != 0)
		close_bell(end);
	return true;
}

void mailboxes_doze(struct mailboxes *ms, uint64_t now_ns)
{
	struct mailbox_end *end = LIST_FIRST(&ms->awake);

	while (end != NULL) {
		struct mailbox_end *next = LIST_NEXT(end, link);

		if (end->asked_ns + IDLE_NS < now_ns)
			(void)fall_asleep(end);
		end = next;
	}
}

bool mailboxes_sleep(struct mailboxes *ms)
{
	struct mailbox_end *end = LIST_FIRST(&ms->awake);
	bool is_quiet = true;

	while (end != NULL) {
		struct mailbox_end *next = LIST_NEXT(end, link);

		is_quiet &= fall_asleep(end);
		end = next;
	}
	return is_quiet;
}
