/* SPDX-License-Identifier: MIT */
/* The memory of a book (proto/book.h): a memfd that memd alone can write. */
#ifndef MEMD_SEGMENTS_BOOK_FILE_H
#define MEMD_SEGMENTS_BOOK_FILE_H

#include "common/checks.h"
#include "proto/book.h"
#include <stddef.h>

struct book_file {
	struct book_entry *entries;	/* NULL: there is none */
	size_t length_bytes;
	int fd;				/* sealed: may be given to programs */
};

/* Returns 0, -EMFILE, -ENFILE or -ENOMEM.  Memory is used for the entries that
 * are touched. */
int book_file_create(uint64_t page_count, struct book_file *ret_book)
	MUST_CHECK;
/* Accepts one that there is not. */
void book_file_destroy(struct book_file *book);

#endif
