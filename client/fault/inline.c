/* SPDX-License-Identifier: MIT */
/* Inline regions: see inline.h.
 *
 * The kernel sends SIGBUS for a missing or minor fault in a mapping that is
 * registered with UFFD_FEATURE_SIGBUS.  After the handler the thread tries its
 * access again.  So the handler need not prove that the access will work; it
 * must only make progress.  The program gets its SIGBUS only when the library's
 * thread says that the page is lost or late.  The kernel cannot tell this:
 * without memory failure handling, it reports a poisoned page exactly like a
 * missing one.
 *
 * I1  Everything that on_sigbus() calls is async-signal-safe.  It allocates
 *     nothing, takes no lock, and waits only for the daemon or the library's
 *     thread, with a deadline.
 * I2  All signals are blocked meanwhile, except those that an instruction can
 *     raise.  SIGBUS is not blocked (SA_NODEFER), so a handler that is chained
 *     to may touch inline memory, and may leave with longjmp().
 * I3  The handler touches no managed memory: only struct memclient, its own
 *     stack, and the mailbox.  (The signal stack must not be inline memory:
 *     the kernel could not write the signal's frame there.)
 * I4  Each place in the list of connections has a count of readers.
 *     inline_remove() empties the place and waits until the count is 0.  A
 *     reader holds the count only while it looks up the address.  Once a region
 *     is found it stays, because its owner must not unmap it while a thread
 *     touches it.
 * I5  In the child of a fork no region is mapped, so no fault is ours.  The
 *     tables may still be there; forks_is_parents() tells (F3 and F4 in
 *     forks.h).  In the child of a vfork the regions are mapped, and faults
 *     work.
 * I6  CONTINUE needs the userfaultfd.  The program may have closed it and used
 *     its number again.  CONTINUE fails on anything that is no userfaultfd;
 *     another userfaultfd of this process works as well.  On failure the
 *     library's thread, which has its own copy, does the work.
 * I7  A SIGBUS that is not ours goes to the handler that was there before, with
 *     the signal mask that it would have had.  If there was none, the process
 *     dies at the right instruction. */
#include "client/fault/inline.h"
#include "client/region/told.h"
#include "common/clock.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>

/* Times that a page may leave again before the library's thread takes over. */
enum { ROUNDS_MAX = 4 };

static struct {
	_Atomic(struct inlines *) client;
	_Atomic uint32_t reader_count;
} places[INLINE_CLIENTS_MAX];

/* Number of places ever used: on_sigbus() looks at these. */
static _Atomic uint32_t place_count;

/* The handler that on_sigbus() chains to.  install_handler() fills the entry
 * that is not in use: the program may have set SIGBUS back to its default. */
static struct sigaction chained[2];
static _Atomic unsigned chained_idx;
static bool is_installed;

/* A child of a fork forgets all places (forget_parents()).  is_watched: forks.c
 * has the entry. */
static struct forks_entry all_places;
static bool is_watched;

/* ---- one fault */

static bool is_write_access(const void *context)
{
#if defined(__x86_64__)
	const ucontext_t *uc = context;

	return uc->uc_mcontext.gregs[REG_ERR] & 2;
#else
	(void)context;
	return false;
#endif
}

/* What to do after a SIGBUS. */
enum verdict {
	TRY_AGAIN,	/* the access may work now */
	IS_LOST,	/* the page is lost */
	IS_LATE,	/* the access may work later */
	NOT_OURS,	/* nothing of ours is mapped there */
};

/* Leave the fault to the library's thread. */
static enum verdict ask_thread(struct inlines *in, uintptr_t address,
			       bool is_write, uint64_t started_ns)
{
	struct command *c = command_claim(in->commands, true);
	int result;

	c->kind = COMMAND_FAULT;
	c->address = address;
	c->is_write = is_write;
	c->started_ns = started_ns;
	command_run(in->commands, c);
	result = c->result;
	command_release(in->commands, c);
	if (result == -ENOENT)
		return NOT_OURS;
	return result == -EIO ? IS_LOST :
	       result == -ETIMEDOUT ? IS_LATE : TRY_AGAIN;
}

/* Ask the daemon in the mailbox, and map the pages of its answer.  False: the
 * library's thread must do it. */
static bool ask_daemon(struct inlines *in, struct region *r,
		       uintptr_t address, bool is_write, uint64_t started_ns)
{
	uint64_t page = region_page_at(r, address);
	uint64_t deadline_ns = started_ns + in->settings->timeout_ns / 2;

	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		struct told told;
		struct box_answer a;

		if (clock_now_ns() > deadline_ns ||
		    box_ask(in->box, r, page, is_write, deadline_ns, &a) != 0)
			return false;
		/* Only an engine in this process can have mapped the page. */
		if (a.is_mapped)
			return in->has_engine;
		told = (struct told){ a.first, a.count, a.mark };
		switch (told_map_reply(r, in->uffd, address, &told)) {
		case UFFD_MAPPED:
			return true;
		case UFFD_MISSING:
		case UFFD_AGAIN:
			break;
		default:
			return false;
		}
	}
	return false;
}

/* The page was there. */
static void note_minor(struct inlines *in, struct region *r, uint64_t page,
		       uint64_t started_ns)
{
	touched_add(in->touched, r, page, clock_now_ns() - started_ns);
	/* A mark: a reader has come this far, and the daemon is told at once.
	 * If that fails, the page is reported with the other touched ones. */
	if (told_take_mark(r, page))
		(void)!box_tell_touched(in->box, r, page);
}

/* Without memd.  Whoever goes in equal steps asks memd all the same: it reads
 * ahead. */
static bool serve_alone(struct inlines *in, struct region *r,
			uintptr_t address, uint64_t started_ns)
{
	uint64_t page = region_page_at(r, address);

	if (told_take_edge(r, page) || region_is_stepping(r, page))
		return false;
	/* Another program may have brought the page in since memd last wrote
	 * the book: mapping it costs less than reading it in vain. */
	if (r->name[0] != '\0' &&
	    told_map_minor(r, in->uffd, address) == UFFD_MAPPED) {
		note_minor(in, r, page, started_ns);
		return true;
	}
	switch (client_desk_fault(in->desk, r, in->uffd, address,
				  started_ns)) {
	case ONESIDED_ASK:
		return false;
	case ONESIDED_MAPPED:
		note_minor(in, r, page, started_ns);
		return true;
	case ONESIDED_ZERO:
	case ONESIDED_SWAPPED:
		region_note_own(r, page);
		return true;
	}
	return false;
}

static enum verdict handle(struct inlines *in, struct region *r,
			   uintptr_t address, bool is_write)
{
	uint64_t started_ns = clock_now_ns();
	uint64_t page = region_page_at(r, address);
	bool is_asked = false;

	if (!region_is_trusted(r))
		return ask_thread(in, address, is_write, started_ns);
	if (atomic_load(&r->book) != NULL) {
		if (serve_alone(in, r, address, started_ns))
			return TRY_AGAIN;
		is_asked = true;
		region_note_own(r, page);
	}
	if ((is_asked || told_take_edge(r, page) ||
	     told_expects_missing(r, page)) &&
	    ask_daemon(in, r, address, is_write, started_ns))
		return TRY_AGAIN;
	switch (told_map_minor(r, in->uffd, address)) {
	case UFFD_MAPPED:
		told_note_missing(r, false);
		note_minor(in, r, page, started_ns);
		return TRY_AGAIN;
	case UFFD_AGAIN:
	case UFFD_EXITING:
		return TRY_AGAIN;
	case UFFD_FOREIGN:
		return NOT_OURS;
	case UFFD_MISSING:
		told_note_missing(r, true);
		if (ask_daemon(in, r, address, is_write, started_ns))
			return TRY_AGAIN;
		break;
	case UFFD_LOST:
	case UFFD_UNUSABLE:
		break;
	}
	return ask_thread(in, address, is_write, started_ns);
}

/* ---- whose fault it is: I4, I5 */

static struct inlines *find(uintptr_t address, struct region **ret_region)
{
	uint32_t count = atomic_load(&place_count);

	for (uint32_t i = 0; i < count; i++) {
		struct region *r = NULL;
		struct inlines *in;

		atomic_fetch_add(&places[i].reader_count, 1);
		in = atomic_load(&places[i].client);
		if (in != NULL && !forks_is_parents(in->open))
			r = regions_find(in->regions, address);
		atomic_fetch_sub(&places[i].reader_count, 1);
		if (r != NULL && r->is_inline) {
			*ret_region = r;
			return in;
		}
	}
	return NULL;
}

/* ---- not ours: I7 */

/* Let the access, or a signal that a process has sent, have its default
 * effect. */
static void die(int sig, const siginfo_t *info)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	sigaction(sig, &sa, NULL);
	if (info->si_code <= 0)
		raise(sig);
}

static void chain(int sig, siginfo_t *info, void *context)
{
	const struct sigaction *previous = &chained[atomic_load(&chained_idx)];
	const ucontext_t *uc = context;
	sigset_t mask = uc->uc_sigmask;

	if (!(previous->sa_flags & SA_SIGINFO)) {
		if (previous->sa_handler == SIG_IGN && info->si_code <= 0)
			return;
		if (previous->sa_handler == SIG_DFL ||
		    previous->sa_handler == SIG_IGN) {
			die(sig, info);
			return;
		}
	}
	sigorset(&mask, &mask, &previous->sa_mask);
	if (!(previous->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (previous->sa_flags & SA_SIGINFO)
		previous->sa_sigaction(sig, info, context);
	else
		previous->sa_handler(sig);
	/* Returning restores the signal mask of the interrupted code. */
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	int saved = errno;
	struct region *r = NULL;
	struct inlines *in = NULL;
	enum verdict verdict = NOT_OURS;

	if (info->si_code == BUS_ADRERR)
		in = find(address, &r);
	if (in != NULL)
		verdict = handle(in, r, address, is_write_access(context));
	/* Some kernels report poisoned pages with BUS_ADRERR. */
	if (verdict == IS_LOST)
		info->si_code = BUS_MCEERR_AR;
	if (verdict != TRY_AGAIN)
		chain(sig, info, context);
	errno = saved;
}

/* ---- installing the handler */

/* True if our handler is installed, or a later one, which must chain to
 * ours. */
static bool is_in_place(const struct sigaction *now)
{
	if (!is_installed)
		return false;
	return (now->sa_flags & SA_SIGINFO) != 0 ||
	       (now->sa_handler != SIG_DFL && now->sa_handler != SIG_IGN);
}

static int install_handler(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	static const int raised_by_instructions[] = { SIGBUS, SIGSEGV, SIGILL,
						      SIGFPE, SIGTRAP,
						      SIGABRT };
	unsigned other = !atomic_load(&chained_idx);

	/* Read the old handler first: ours may run before sigaction()
	 * returns. */
	if (sigaction(SIGBUS, NULL, &chained[other]) != 0)
		return -errno;
	if (is_in_place(&chained[other]))
		return 0;
	atomic_store(&chained_idx, other);
	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(raised_by_instructions); i++)
		sigdelset(&sa.sa_mask, raised_by_instructions[i]);
	if (sigaction(SIGBUS, &sa, NULL) != 0)
		return -errno;
	is_installed = true;
	return 0;
}

/* In the child of a fork no connection is ours, and no other thread reads the
 * places. */
static void forget_parents(void *ctx)
{
	(void)ctx;
	for (uint32_t i = 0; i < INLINE_CLIENTS_MAX; i++) {
		atomic_store(&places[i].client, NULL);
		atomic_store(&places[i].reader_count, 0);
	}
	is_watched = false;
}

static int add_locked(struct inlines *in)
{
	uint32_t count = atomic_load(&place_count);
	uint32_t free = INLINE_CLIENTS_MAX;

	for (uint32_t i = INLINE_CLIENTS_MAX; i-- > 0;) {
		struct inlines *there = atomic_load(&places[i].client);

		if (there == in)
			return 0;
		if (there == NULL)
			free = i;
	}
	if (free == INLINE_CLIENTS_MAX)
		return -EMFILE;
	atomic_store(&places[free].client, in);
	atomic_store(&place_count, MAX(count, free + 1));
	return 0;
}

int inline_add(struct inlines *in)
{
	sigset_t mask;
	int err;

	forks_lock(&mask);
	all_places.drop = forget_parents;
	if (!is_watched)
		forks_add(&all_places);
	is_watched = true;
	err = install_handler();
	if (err == 0)
		err = add_locked(in);
	forks_unlock(&mask);
	return err;
}

void inline_remove(struct inlines *in)
{
	static const struct timespec moment = { .tv_nsec = 50000 };

	for (uint32_t i = 0; i < INLINE_CLIENTS_MAX; i++) {
		struct inlines *there = in;

		if (!atomic_compare_exchange_strong(&places[i].client, &there,
						    NULL))
			continue;
		while (atomic_load(&places[i].reader_count) != 0)
			nanosleep(&moment, NULL);
	}
}
