/* SPDX-License-Identifier: MIT */
/* Proves what daemon/segments/book_file.h promises: who gets the descriptor of
 * a book sees what memd writes there, and can neither write to it, nor make it
 * shorter or longer, nor allow that again. */
#include "daemon/segments/book_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGES = 1000 };

static void programs_see_what_memd_writes(void **state)
{
	struct book_file book;
	const struct book_entry *seen;

	(void)state;
	assert_int_equal(book_file_create(PAGES, &book), 0);
	assert_int_equal(book.length_bytes, book_bytes(PAGES));
	assert_int_equal(lseek(book.fd, 0, SEEK_END), book.length_bytes);
	seen = mmap(NULL, book.length_bytes, PROT_READ, MAP_SHARED, book.fd,
		    0);
	assert_ptr_not_equal(seen, MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(atomic_load(&seen[i].state), BOOK_ZERO);
	atomic_store(&book.entries[PAGES - 1].state, BOOK_SWAPPED);
	assert_int_equal(atomic_load(&seen[PAGES - 1].state), BOOK_SWAPPED);
	munmap((void *)seen, book.length_bytes);
	book_file_destroy(&book);
	assert_null(book.entries);
	book_file_destroy(&book);
}

static void programs_cannot_change_it(void **state)
{
	struct book_file book;
	void *at;
	int fd;

	(void)state;
	assert_int_equal(book_file_create(PAGES, &book), 0);
	fd = dup(book.fd);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(mmap(NULL, book.length_bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0), MAP_FAILED);
	at = mmap(NULL, book.length_bytes, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at, book.length_bytes,
				  PROT_READ | PROT_WRITE), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
	assert_int_equal(errno, EPERM);
	/* memd goes on. */
	atomic_store(&book.entries[0].state, BOOK_BUSY);
	munmap(at, book.length_bytes);
	close(fd);
	book_file_destroy(&book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_see_what_memd_writes),
		cmocka_unit_test(programs_cannot_change_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
