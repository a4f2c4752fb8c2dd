/* SPDX-License-Identifier: MIT */
/* The book: the page table of one segment, as programs see it.  memd writes it;
 * programs map it read-only, and so can fault pages in by themselves
 * (client/fault/onesided.h).  This is its layout; daemon/pager/book.h says when
 * an entry changes.
 *
 * A book of zeros is that of a segment whose pages were never touched.  Behind
 * the entries of its pages there is one more, the *end*: its state is not
 * BOOK_ZERO when the segment is gone, or cannot be trusted, and nobody may use
 * the book any more.
 *
 * B1  memd writes the state last (release), and a program reads it first
 *     (acquire).  So the fields are those of the state, or newer ones; newer
 *     ones show in the checksum.
 * B2  A program reads the end after it has opened its intent.  memd writes it
 *     before it takes the segment apart, and then waits until no intent on it
 *     is open (K1 in desk.h).
 * B3  A state that a program does not know means BOOK_BUSY. */
#ifndef MEMD_PROTO_BOOK_H
#define MEMD_PROTO_BOOK_H

#include <stdatomic.h>
#include <stdint.h>

enum { BOOK_VERSION = 1 };

enum book_state {
	BOOK_ZERO,		/* reads as zeros */
	BOOK_SWAPPED,		/* its bytes are in its slot */
	BOOK_RESIDENT,		/* present in the data file */
	BOOK_BUSY,		/* memd is changing it, or it is lost: ask */
};

struct book_entry {
	_Atomic uint32_t state;
	/* SWAPPED: */
	_Atomic uint32_t slot;		/* its index in the store */
	_Atomic uint32_t generation;	/* of its content: checksum.h */
	uint32_t reserved;
	_Atomic uint64_t sum_low, sum_high;
};
_Static_assert(sizeof(struct book_entry) == 32, "version 1");

static inline uint64_t book_bytes(uint64_t page_count)
{
	return (page_count + 1) * sizeof(struct book_entry);
}

#endif
