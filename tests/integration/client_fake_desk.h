/* SPDX-License-Identifier: MIT */
/* The desk and the books of the tests' own daemon (client_fake_daemon.h), all
 * of whose credits are lent.  No book tells the truth: they are there to be
 * believed, or not.  It reads no record of what was done. */
#ifndef MEMD_TESTS_CLIENT_FAKE_DESK_H
#define MEMD_TESTS_CLIENT_FAKE_DESK_H

#include "proto/book.h"
#include "proto/desk.h"

/* Make one, which takes the place of the last one; its file is the
 * caller's. */
int fake_desk_open(void);
/* Credits that were taken from it, since then. */
uint64_t fake_desk_count_taken(void);

/* A book with the same state for all pages; the file is the caller's. */
int fake_book_open(uint64_t page_count, uint32_t state, uint32_t end_state);

#endif
