/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/askers.h"

#include "common/uffd_poison.h"
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the child */

/* Whether the address space that `fd` watches is gone.  An ioctl for a range
 * that is surely not registered fails with ENOENT if the address space lives,
 * and with ESRCH if not.  (With ENOSPC on kernels that are too old for
 * memd.) */
static bool is_memory_gone(int fd, uint64_t probe)
{
	struct uffdio_zeropage z = {
		.range = { .start = probe, .len = KEPT_UNIT_BYTES },
	};

	return ioctl(fd, UFFDIO_ZEROPAGE, &z) != 0 && errno == ESRCH;
}

/* Give an error to every thread that touches this page.  Returns false if the
 * kernel cannot do that. */
static bool poison_fault(int fd, uint64_t address)
{
	struct uffdio_poison p = {
		.range = { .start = address & -(uint64_t)KEPT_UNIT_BYTES,
			   .len = KEPT_UNIT_BYTES },
	};
	struct uffdio_range range = p.range;
	int err = ioctl(fd, UFFDIO_POISON, &p) != 0 ? errno : 0;

	if (err == 0)
		return true;
	/* EEXIST: the page is mapped or poisoned, so the thread may go on.
	 * EAGAIN, ENOMEM: let the thread go on, too; it faults again. */
	if (err != EEXIST && err != EAGAIN && err != ENOMEM)
		return false;
	return ioctl(fd, UFFDIO_WAKE, &range) == 0;
}

/* Answer the faults that wait.  Returns whether one was answered.  If a program
 * makes its descriptor block, only this child waits. */
static bool answer_faults(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct uffd_msg message[KEPT_EVENTS_MAX];
	bool has_answered = false;
	ssize_t n;

	if (poll(&p, 1, 0) <= 0 || (p.revents & POLLIN) == 0)
		return false;
	n = read(fd, message, sizeof(message));
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(message[0]); i++)
		if (message[i].event == UFFD_EVENT_PAGEFAULT)
			has_answered |= poison_fault(
				fd, message[i].arg.pagefault.address);
	return has_answered;
}

/* The child process.  It has the dropped descriptors as well; they are closed
 * when it exits. */
static _Noreturn void asker_run(const struct keeping *k, const struct asker *a,
				pid_t keeper)
{
	if (k->socket >= 0)
		close(k->socket);
	for (unsigned i = 0; i < a->count; i++) {
		const struct kept *kept = a->batch[i];
		bool is_gone = is_memory_gone(kept->fd, k->probe);

		atomic_store(&a->findings->of[i].is_gone, is_gone);
		atomic_store(&a->findings->of[i].has_answered, !is_gone &&
			     kept->is_orphan && answer_faults(kept->fd));
		atomic_store(&a->findings->progress, i + 1);
	}
	/* Wait until the keeper has closed the dropped descriptors, so that the
	 * last close happens here. */
	while (!atomic_load(&a->findings->may_end) && getppid() == keeper)
		(void)poll(NULL, 0, 1);
	_exit(0);
}

struct asker *askers_find(struct keeping *k, enum asker_state state)
{
	for (unsigned i = 0; i < ASKERS; i++)
		if (k->asker[i].state == state)
			return &k->asker[i];
	return NULL;
}

bool askers_blame(const struct keeping *k, uint32_t uid)
{
	for (unsigned i = 0; i < ASKERS; i++)
		if (k->asker[i].state == ASKER_STUCK && k->asker[i].uid == uid)
			return true;
	return false;
}

static bool kept_is_due(const struct keeping *k, const struct kept *kept)
{
	return kept->asker == NULL && kept->ask_ns <= k->now_ns &&
	       !askers_blame(k, kept->uid);
}

/* Choose the user to serve next.  Returns false if there is none. */
static bool choose_user(const struct keeping *k, uint32_t *ret_uid)
{
	const struct kept *kept;

	for (unsigned i = 0; i < k->dropped_count; i++)
		if (!askers_blame(k, k->dropped[i].uid)) {
			*ret_uid = k->dropped[i].uid;
			return true;
		}
	TAILQ_FOREACH(kept, &k->ended, link)
		if (kept_is_due(k, kept)) {
			*ret_uid = kept->uid;
			return true;
		}
	return false;
}

static void choose_batch(struct keeping *k, struct asker *a)
{
	struct kept *kept;

	a->count = 0;
	TAILQ_FOREACH(kept, &k->ended, link) {
		if (a->count == ASKER_BATCH_MAX)
			return;
		if (kept->uid == a->uid && kept_is_due(k, kept))
			a->batch[a->count++] = kept;
	}
}

static void keeping_close_dropped(struct keeping *k, uint32_t uid)
{
	unsigned left = 0;

	for (unsigned i = 0; i < k->dropped_count; i++)
		if (k->dropped[i].uid == uid)
			close(k->dropped[i].fd);
		else
			k->dropped[left++] = k->dropped[i];
	if (k->dropped_count == ASKER_BATCH_MAX && left < ASKER_BATCH_MAX &&
	    k->socket >= 0)
		(void)keeping_watch(k, k->socket, EPOLLIN, SOURCE_SOCKET);
	k->dropped_count = left;
}

/* Returns false if no child could be started. */
static bool asker_fork(struct keeping *k, struct asker *a)
{
	pid_t keeper = getpid();
	int pair[2];

	atomic_store(&a->findings->progress, 0);
	atomic_store(&a->findings->may_end, false);
	if (pipe(pair) != 0)
		return false;
	a->pid = fork();
	if (a->pid == 0) {
		close(pair[0]);
		asker_run(k, a, keeper);
	}
	close(pair[1]);
	if (a->pid < 0) {
		close(pair[0]);
		return false;
	}
	a->pipe = pair[0];
	(void)keeping_watch(k, a->pipe, 0,
			    SOURCE_ASKER | (uint64_t)(a - k->asker));
	return true;
}

void askers_start(struct keeping *k)
{
	struct asker *a = askers_find(k, ASKER_FREE);

	if (a == NULL || askers_find(k, ASKER_RUNNING) != NULL)
		return;
	if (!choose_user(k, &a->uid))
		return;
	choose_batch(k, a);
	if (!asker_fork(k, a)) {
		for (unsigned i = 0; i < a->count; i++)
			a->batch[i]->ask_ns = k->now_ns + ASK_PAUSE_MOST_NS;
		return;
	}
	a->state = ASKER_RUNNING;
	a->since_ns = k->now_ns;
	a->progress = 0;
	for (unsigned i = 0; i < a->count; i++)
		a->batch[i]->asker = a;
	/* The child still has them open, so these closes cannot block. */
	keeping_close_dropped(k, a->uid);
	atomic_store(&a->findings->may_end, true);
}

static void ask_later(struct keeping *k, struct kept *kept, bool has_answered)
{
	kept->asker = NULL;
	/* If no fault was answered, watching again would report the same faults
	 * at once.  So do that only after the pause. */
	if (kept->is_orphan && (has_answered || !kept->is_watched))
		kept_watch_orphan(k, kept);
	if (has_answered)
		kept->pause_ns = ASK_PAUSE_FIRST_NS;
	kept->ask_ns = k->now_ns + kept->pause_ns;
	kept->pause_ns = MIN(kept->pause_ns * 2, ASK_PAUSE_MOST_NS);
	/* Copies that were asked about least recently stand first. */
	TAILQ_REMOVE(&k->ended, kept, link);
	TAILQ_INSERT_TAIL(&k->ended, kept, link);
}

void asker_finish(struct keeping *k, struct asker *a)
{
	unsigned known = atomic_load(&a->findings->progress);

	(void)waitpid(a->pid, NULL, 0);
	keeping_unwatch(k, a->pipe);
	close(a->pipe);
	for (unsigned i = 0; i < a->count; i++) {
		struct kept *kept = a->batch[i];

		if (kept == NULL)
			continue;
		if (i < known && atomic_load(&a->findings->of[i].is_gone)) {
			uint64_t serial = kept->serial;

			close(kept_let_go(k, kept));
			keeping_tell(k, serial, KEEPER_GONE);
		} else {
			ask_later(k, kept, i < known && atomic_load(
				&a->findings->of[i].has_answered));
		}
	}
	a->count = 0;
	a->state = ASKER_FREE;
}

/* If the asker is stuck, it keeps the copy that it waits for.  The next asker
 * gets the other copies. */
void asker_note_progress(struct keeping *k, struct asker *a)
{
	unsigned progress = atomic_load(&a->findings->progress);

	if (progress != a->progress) {
		a->progress = progress;
		a->since_ns = k->now_ns;
	}
	if (k->now_ns - a->since_ns < ASKER_PATIENCE_NS)
		return;
	a->state = ASKER_STUCK;
	for (unsigned i = 0; i < a->count; i++) {
		if (i == progress || a->batch[i] == NULL)
			continue;
		ask_later(k, a->batch[i], false);
		a->batch[i] = NULL;
	}
}
