/* SPDX-License-Identifier: MIT */
/* A memd inside of a program: all of it, as in the daemon, on one thread.  The
 * program's library is connected to it by an abstract socket, as if it were
 * another process; so is `memctl --socket=ADDRESS` of the same user.
 *
 * What is different from memd: no signals, no service manager, no helper
 * processes, no configuration file or environment; nobody but the program may
 * map memory.  The thread blocks all signals and has a umask and a table of
 * descriptors of its own, so that a program that closes all of its own does no
 * harm.
 *
 * Its thread allocates from the program's heap, so that must not lie in memory
 * that it serves itself.
 *
 * This is what libmemd-engine.so gives to libmemclient. */
#ifndef MEMD_DAEMON_EMBEDDED_H
#define MEMD_DAEMON_EMBEDDED_H

#include <stddef.h>

#ifdef __cplusplus
#error "not for programs: see memclient.h"
#endif

struct memd_engine;

/* Start one.
 *
 * settings     pairs of name and value, ended by a NULL name: keys of
 *              memd.conf(5); none may be missing but for its default.
 *              Borrowed for the call.
 * ret_address  where it listens, "@name".
 *
 * Returns 0; or -errno with a line in ret_reason: -EINVAL (a setting), -EPERM
 * (the kernel allows no userfaultfd), -ENOSPC, -ENOMEM, and what the swap file
 * or the other host gives. */
typedef int memd_engine_start_fn(const char *const (*settings)[2],
				 struct memd_engine **ret_engine,
				 char *ret_address, size_t address_size,
				 char *ret_reason, size_t reason_size);

/* Stop it and wait for its end; nobody may be connected any more. */
typedef void memd_engine_stop_fn(struct memd_engine *engine);

memd_engine_start_fn memd_engine_start;
memd_engine_stop_fn memd_engine_stop;

#endif
