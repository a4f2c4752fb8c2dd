/* SPDX-License-Identifier: MIT */
/* What the store tests share: a folder to work in, a file to store in, bytes
 * that tell where they belong, and waiting for completions. */
#ifndef MEMD_TESTS_STORETEST_H
#define MEMD_TESTS_STORETEST_H

#include "swapstore/swapstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A fresh folder below $TMPDIR or /tmp; the path is in `path`. */
struct scratch {
	char path[256];
};

void scratch_create(struct scratch *sc);
/* The folder and the files in it; no folders in it. */
void scratch_remove(struct scratch *sc);
/* "folder/name" in static memory that the next call uses again. */
const char *scratch_file(const struct scratch *sc, const char *name);

/* Page-aligned memory, as staging is. */
void *buffer_create(size_t bytes);
void buffer_destroy(void *buffer, size_t bytes);

/* Fill `slot_count` slots with bytes that depend on slot and version. */
void pattern_fill(void *buffer, uint32_t slot, uint32_t slot_count,
		  uint32_t version);
/* True when they are those bytes. */
bool pattern_is(const void *buffer, uint32_t slot, uint32_t slot_count,
		uint32_t version);

/* Reap one completion, sleeping on the event descriptor; fails the test when
 * none comes for a minute, which no working disk takes. */
struct swap_done store_wait_one(struct swapstore *st);
/* Submit, flush and wait for one request on an idle store. */
int store_do(struct swapstore *st, bool is_write, uint32_t slot,
	     uint32_t slot_count, void *buffer);

/* True when the descriptor is readable now. */
bool is_readable(int fd);
/* Sleep until it is; with store_wait_one()'s patience. */
void wait_readable(int fd);

/* Run fn(arg) in a child; returns its exit status, or -signal. */
int run_in_child(int (*fn)(void *arg), void *arg);

/* In a child: all further calls of system call `number` fail with `err`; in
 * the second form only those whose second argument is `arg`, in the third only
 * those whose third argument has a bit of `flags`.
 * Returns 0, or -errno where the kernel has no seccomp. */
int forbid_syscall(long number, int err);
int forbid_syscall_arg(long number, uint32_t arg, int err);
int forbid_syscall_flags(long number, uint32_t flags, int err);

/* Why this process may not use io_uring, or NULL. */
const char *uring_refusal(void);

#endif
