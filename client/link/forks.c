/* SPDX-License-Identifier: MIT */
/* Forks: see forks.h. */
#include "client/link/forks.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Values of *forks.state.  The kernel wipes the page in a child, which leaves
 * CHILD. */
enum { CHILD, CLEANING, OURS };

static struct {
	/* In a page of its own; NULL: forks cannot be watched. */
	_Atomic uint32_t *state;
	pthread_mutex_t lock;
	/* Signal mask of the thread that forks. */
	sigset_t mask;
	struct forks_entry *first;
	_Atomic uint32_t forking, fetching;
} forks = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the lock: F1, F2 */

void forks_lock(sigset_t *ret_mask)
{
	sigset_t all;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, ret_mask);
	pthread_mutex_lock(&forks.lock);
}

void forks_unlock(const sigset_t *mask)
{
	pthread_mutex_unlock(&forks.lock);
	(void)pthread_sigmask(SIG_SETMASK, mask, NULL);
}

bool forks_begin_fetch(void)
{
	atomic_fetch_add(&forks.fetching, 1);
	if (atomic_load(&forks.forking) == 0)
		return true;
	atomic_fetch_sub(&forks.fetching, 1);
	return false;
}

void forks_end_fetch(void)
{
	atomic_fetch_sub(&forks.fetching, 1);
}

void forks_add(struct forks_entry *e)
{
	e->next = forks.first;
	forks.first = e;
}

void forks_remove(struct forks_entry *e)
{
	struct forks_entry **at = &forks.first;

	while (*at != NULL && *at != e)
		at = &(*at)->next;
	if (*at != NULL)
		*at = e->next;
}

/* ---- in the child: F3, F4 */

static void drop_all(void)
{
	struct forks_entry *e;

	forks.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	atomic_store(&forks.forking, 0);
	atomic_store(&forks.fetching, 0);
	while ((e = forks.first) != NULL) {
		forks.first = e->next;
		e->drop(e->ctx);
		atomic_store(&e->is_dropped, true);
	}
}

bool forks_is_parents(const struct forks_entry *e)
{
	return atomic_load(&e->is_dropped) ||
	       (forks.state != NULL && atomic_load(forks.state) != OURS);
}

int forks_enter(void)
{
	uint32_t expected = CHILD;

	if (forks.state == NULL)
		return -ENOMEM;
	if (atomic_load(forks.state) == OURS)
		return 0;
	if (atomic_compare_exchange_strong(forks.state, &expected, CLEANING)) {
		drop_all();
		atomic_store(forks.state, OURS);
	}
	/* Another thread is cleaning. */
	while (atomic_load(forks.state) != OURS)
		sched_yield();
	return 0;
}

/* ---- handlers of pthread_atfork() */

static void prepare(void)
{
	static const struct timespec moment = { .tv_nsec = 50000 };
	sigset_t mask;

	forks_lock(&mask);
	forks.mask = mask;
	atomic_fetch_add(&forks.forking, 1);
	while (atomic_load(&forks.fetching) != 0)
		nanosleep(&moment, NULL);
}

static void go_on_as_parent(void)
{
	sigset_t mask = forks.mask;

	atomic_fetch_sub(&forks.forking, 1);
	forks_unlock(&mask);
}

static void go_on_as_child(void)
{
	sigset_t mask = forks.mask;

	/* Cannot fail: without the page this is not called. */
	(void)!forks_enter();
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* Runs when the library is loaded, because a fork may happen while another
 * thread opens the first connection. */
__attribute__((constructor)) static void forks_watch(void)
{
	size_t length = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return;
	if (madvise(at, length, MADV_WIPEONFORK) != 0 ||
	    pthread_atfork(prepare, go_on_as_parent, go_on_as_child) != 0) {
		munmap(at, length);
		return;
	}
	forks.state = at;
	atomic_store(forks.state, OURS);
}
