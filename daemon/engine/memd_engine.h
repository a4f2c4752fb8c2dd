/* SPDX-License-Identifier: MIT */
/* A memd inside of a program: all of it, as in the daemon, on one thread.  The
 * program's library is connected to it by an abstract socket, as if it were
 * another process; so is `memctl --socket=ADDRESS` of the same user.
 *
 * What is different from memd: no signals, no service manager, no helper
 * processes, no configuration file or environment; nobody but the program may
 * map memory.  The thread blocks all signals and has a table of descriptors of
 * its own, so that a program that closes all of its own does no
 * harm.
 *
 * Its thread allocates from the program's heap, so that must not lie in memory
 * that it serves itself.
 *
 * This is what libmemd-engine.so gives to libmemclient. */
#ifndef MEMD_ENGINE_MEMD_ENGINE_H
#define MEMD_ENGINE_MEMD_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#error "not for programs: see memclient.h"
#endif

struct memd_engine;

/* A page that somebody waits for, about to come in. */
struct memd_engine_page {
	unsigned cell;		/* of the mailbox in which it was asked for */
	uint32_t segment;	/* as on the wire */
	uint64_t page;		/* of the segment, in its pages */
	const void *bytes;	/* of the whole page */
	size_t length;
	int uffd;		/* the engine's own descriptor of it */
};

/* Put a page into its data file through the mapping in which it was touched
 * (UFFDIO_COPY).  On the engine's thread; must not wait for what that thread
 * does.  0: it is there and mapped.  -errno: there is no such mapping, or it
 * cannot be done; the engine goes on by itself, whatever has been done. */
typedef int memd_engine_install_fn(void *ctx,
				   const struct memd_engine_page *page);

/* Whoever asked in the cell has been told of a page installed so, and no other
 * page is being asked for: let him go on, if he cannot without this processor.
 * On the engine's thread. */
typedef void memd_engine_make_way_fn(void *ctx, unsigned cell);

/* The program that an engine is in. */
struct memd_engine_program {
	int uffd;	/* of its mappings.  Borrowed for the call that starts
			 * the engine, which keeps a copy; -1: none */
	memd_engine_install_fn *install;
	memd_engine_make_way_fn *make_way;
	void *ctx;	/* theirs, until the engine has been stopped */
};

/* Start one.
 *
 * program      copied.
 * settings     pairs of name and value, ended by a NULL name: keys of
 *              memd.conf(5); none may be missing but for its default.
 *              Borrowed for the call.
 * ret_address  where it listens, "@name".
 *
 * Returns 0; or -errno with a line in ret_reason: -EINVAL (a setting), -EPERM
 * (the kernel allows no userfaultfd), -ENOSPC, -ENOMEM, and what the swap file
 * or the other host gives. */
typedef int
memd_engine_start_in_fn(const struct memd_engine_program *program,
			const char *const (*settings)[2],
			struct memd_engine **ret_engine, char *ret_address,
			size_t address_size, char *ret_reason,
			size_t reason_size);

/* Stop it and wait for its end; nobody may be connected any more. */
typedef void memd_engine_stop_fn(struct memd_engine *engine);

memd_engine_start_in_fn memd_engine_start_in;
memd_engine_stop_fn memd_engine_stop;

#endif
