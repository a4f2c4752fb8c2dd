/* SPDX-License-Identifier: MIT */
/* Programs that use memd's memory through libmemclient, each a process of its
 * own, for the tests of one-sided faults.  A program that finds anything wrong
 * says so and ends with status 1. */
#ifndef MEMD_TESTS_ONESIDED_PROGRAM_H
#define MEMD_TESTS_ONESIDED_PROGRAM_H

#include "client/include/memclient.h"
#include "tests/integration/model.h"
#include "tests/integration/testmemd.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

enum { UNIT_BYTES = MODEL_UNIT_BYTES };

/* In a program. */
#define NEED(expr)							\
	do {								\
		if (!(expr)) {						\
			dprintf(STDERR_FILENO, "%s:%d: %s\n", __FILE__,	\
				__LINE__, #expr);			\
			_exit(1);					\
		}							\
	} while (0)

/* Memory that all programs see; zeros. */
void *shared_memory(size_t bytes);

/* Run `body` in a new process, which dies with the test. */
pid_t program_start(void (*body)(void *arg), void *arg);
/* The same as another user, if uid is not 0. */
pid_t program_start_as(uid_t uid, void (*body)(void *arg), void *arg);
/* Wait until it has ended; it must have found nothing wrong. */
void program_expect_good(pid_t pid);
/* Wait until a word in shared memory has a value; fail if the program that is
 * to write it has ended. */
void program_await_word(pid_t pid, atomic_uint *word, unsigned value);
/* SIGKILL, and wait. */
void program_kill(pid_t pid);
/* program_start() and program_expect_good(). */
void program_run(void (*body)(void *arg), void *arg);

/* ---- in a program */

struct memclient *program_open(const struct testmemd *tm, uint32_t timeout_ms);
uint8_t *program_map(struct memclient *mc, size_t bytes, uint32_t fault_mode);
uint8_t *program_attach(struct memclient *mc, const char *name,
			uint32_t fault_mode);
uint64_t program_counter(const struct testmemd *tm, const char *name);

/* Threads that write and read units of an area at random. */
struct crew {
	struct model *model;
	uint8_t *area;
	uint32_t first, count;	/* units */
	unsigned threads;
	unsigned ops;		/* of each thread */
	uint64_t seed;
};

void crew_run(const struct crew *crew);
/* Write, or compare, every byte of the units, one after the other. */
void crew_fill(const struct crew *crew);
void crew_verify(const struct crew *crew);
/* crew_run() until so many faults have been one-sided, since memd began. */
void crew_run_until(const struct crew *crew, const struct testmemd *tm,
		    uint64_t one_sided);

/* ---- a journal: what units hold that a program writes which may be killed in
 * the middle.  It is the only one that writes them. */

struct journal_unit {
	_Atomic uint32_t writing, done;	/* versions */
};

void journal_write(struct journal_unit *j, uint8_t *area, uint32_t unit);
/* The unit begins as the version that was being written, and goes on as the
 * one before. */
bool journal_holds(struct journal_unit *j, const uint8_t *area, uint32_t unit);

#endif
