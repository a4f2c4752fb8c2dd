/* SPDX-License-Identifier: MIT */
#include "daemon/segments/book_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sealed once it is mapped here: nobody else can write to it, map it for
 * writing, or take memory out of it. */
static int map_and_seal(struct book_file *book)
{
	void *at;

	if (ftruncate(book->fd, (off_t)book->length_bytes) != 0)
		return -errno;
	at = mmap(NULL, book->length_bytes, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_NORESERVE, book->fd, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(at, book->length_bytes, MADV_DONTFORK);
	(void)madvise(at, book->length_bytes, MADV_DONTDUMP);
	book->entries = at;
	return fcntl(book->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		     F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0 ? -errno : 0;
}

int book_file_create(uint64_t page_count, struct book_file *ret_book)
{
	struct book_file book = {
		.length_bytes = book_bytes(page_count),
		.fd = memfd_create("memd-book", MFD_CLOEXEC |
						MFD_ALLOW_SEALING),
	};
	int err;

	if (book.fd < 0)
		return -errno;
	err = map_and_seal(&book);
	if (err != 0) {
		if (book.entries != NULL)
			munmap(book.entries, book.length_bytes);
		close(book.fd);
		return err;
	}
	*ret_book = book;
	return 0;
}

void book_file_destroy(struct book_file *book)
{
	if (book->entries == NULL)
		return;
	munmap(book->entries, book->length_bytes);
	close(book->fd);
	*book = (struct book_file){ 0 };
}
