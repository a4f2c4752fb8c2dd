/* SPDX-License-Identifier: MIT */
/* Programs that die while they share a segment, in every way there is, for
 * dying_sharers_test.c. */
#ifndef MEMD_TESTS_DYING_VICTIM_H
#define MEMD_TESTS_DYING_VICTIM_H

#include "client/include/memclient.h"
#include "tests/integration/memory_group.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DYING_NAME "dying"
#define DYING_EXECUTED "executed"	/* the flag of what exec starts */

enum {
	DYING_PAGE_BYTES = 4096,
	DYING_PAGES = 32,
	DYING_OOM_BYTES = 64 << 20,
	DYING_PATIENCE_MS = 600000,
};

enum dying_way {
	DYING_KILL_IDLE,	/* holds a robust mutex on an evicted page */
	DYING_KILL_BUSY,
	DYING_EXIT,
	DYING_EXEC,
	DYING_DUMP,		/* with a core file */
	DYING_OOM,
	DYING_THREAD_FIRST,	/* the library's thread, then the others */
	DYING_SURVIVED,		/* by a process with the same memory */
	DYING_NAMESPACE,	/* in a pid namespace of its own */
	DYING_WAYS,
};

struct dying_death {
	enum dying_way way;
	uint32_t mode;		/* of faults */
	uid_t uid;		/* 0: as the test */
	const struct memory_group *group;	/* for DYING_OOM */
};

/* Seen by all processes. */
struct dying {
	uint64_t round;
	atomic_uint ready;	/* 1: everything is evicted */
	atomic_uint go;		/* 1: fault; 2: end yourself; 3: survivor */
	pid_t victim, survivor;	/* as the test knows them */
	atomic_uint verify, verified, wrong;
	atomic_uint thread_ended;
};

const char *dying_way_name(enum dying_way way);

/* Set d->go, and wake who waits for it. */
void dying_let_go(struct dying *d, unsigned value);

/* Is it enough to say go = 2, or has it to be killed? */
bool dying_ends_itself(enum dying_way way);

/* In a child of the test.  Exit with a text on failure, with 77 where
 * userfaultfd is not to be had. */
struct memclient *dying_open(const char *address,
			     const struct memclient_options *options);
char *dying_attach(struct memclient *mc, uint32_t mode);

/* What the victim of a round has left in a page; of the first page without what
 * its mutex takes. */
bool dying_page_is(const char *base, size_t page, uint64_t round);
bool dying_page_is_zero(const char *base, size_t page);

/* The life of a victim. */
_Noreturn void dying_victim(struct dying *d, const char *address,
			    const struct dying_death *death);

/* End the thread of libmemclient in `pid`, and no other.  False: it cannot be
 * done here. */
bool dying_end_library_thread(pid_t pid);

#endif
