/* SPDX-License-Identifier: MIT */
/* An embedded memd: all of memd, on one thread of a program.  The program's
 * library connects to it by an abstract socket, as it would to another process.
 * `memctl --socket=ADDRESS` of the same user can connect, too.
 *
 * Differences to memd as a process: no signals, no service manager, no helper
 * processes, no configuration file or environment; and only the program may map
 * memory.  The thread blocks all signals.  It has its own table of descriptors,
 * so a program that closes all of its descriptors does no harm.
 *
 * The thread allocates from the program's heap.  So the heap must not lie in
 * memory that this memd serves.
 *
 * libmemd-engine.so provides these functions to libmemclient. */
#ifndef MEMD_ENGINE_MEMD_ENGINE_H
#define MEMD_ENGINE_MEMD_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#error "not for programs: see memclient.h"
#endif

struct memd_engine;

/* A page that a thread of the program waits for, and that is about to come
 * in. */
struct memd_engine_page {
	unsigned cell;		/* of the mailbox in which the page was asked
				 * for */
	uint32_t segment;	/* segment id as on the wire */
	uint64_t page;		/* index of the page in the segment */
	const void *bytes;	/* of the whole page */
	size_t length;
	int uffd;		/* the engine's own copy of the program's
				 * userfaultfd */
};

/* Put a page into its data file through the mapping in which it was touched
 * (UFFDIO_COPY).  Called on the engine's thread; must not wait for that thread.
 * Returns 0 if the page is there and mapped.  Returns -errno if there is no
 * such mapping, or if it failed; then the engine installs the page itself,
 * whatever has been done. */
typedef int memd_engine_install_fn(void *ctx,
				   const struct memd_engine_page *page);

/* A thread of the program waits in this cell for a page that was installed so,
 * and has been told; no other page is being asked for.  If that thread needs
 * this processor to go on, let it.  Called on the engine's thread. */
typedef void memd_engine_make_way_fn(void *ctx, unsigned cell);

/* The program that the engine runs in. */
struct memd_engine_program {
	int uffd;	/* watches the program's mappings.  Borrowed for the
			 * call that starts the engine, which keeps a copy; -1:
			 * none */
	memd_engine_install_fn *install;
	memd_engine_make_way_fn *make_way;
	void *ctx;	/* of these functions; valid until the engine has
			 * stopped */
};

/* Start an engine.
 *
 * program      copied.
 * settings     pairs of name and value, ended by a NULL name: keys of
 *              memd.conf(5).  Keys that are left out have their defaults.
 *              Borrowed for the call.
 * ret_address  the address where it listens, "@name".
 *
 * Returns 0; or -errno with a line in ret_reason: -EINVAL (a setting), -EPERM
 * (the kernel allows no userfaultfd), -ENOSPC, -ENOMEM, and the errors of the
 * swap files or of the connection to another memd. */
typedef int
memd_engine_start_in_fn(const struct memd_engine_program *program,
			const char *const (*settings)[2],
			struct memd_engine **ret_engine, char *ret_address,
			size_t address_size, char *ret_reason,
			size_t reason_size);

/* Stop the engine and wait for its end.  Nobody may be connected any more. */
typedef void memd_engine_stop_fn(struct memd_engine *engine);

memd_engine_start_in_fn memd_engine_start_in;
memd_engine_stop_fn memd_engine_stop;

#endif
