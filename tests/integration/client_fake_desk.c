/* SPDX-License-Identifier: MIT */
/* Desk and books of the tests' own daemon: see client_fake_desk.h. */
#include "tests/integration/client_fake_desk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct desk *fake_desk;

/* A sealed file, mapped. */
static void *open_sealed(size_t length, int *ret_fd)
{
	int fd = memfd_create("fake-desk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *at = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, (off_t)length) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  0);
	if (at == MAP_FAILED) {
		perror("desk");
		_exit(3);
	}
	*ret_fd = fd;
	return at;
}

int fake_desk_open(void)
{
	int fd;

	if (fake_desk != NULL)
		munmap(fake_desk, sizeof(*fake_desk));
	fake_desk = open_sealed(sizeof(*fake_desk), &fd);
	for (unsigned i = 0; i < DESK_CREDITS; i++)
		atomic_store(&fake_desk->credit[i].word,
			     credit_word(CREDIT_LENT, 0));
	memset((void *)fake_desk->lent, 0xff, sizeof(fake_desk->lent));
	return fd;
}

uint64_t fake_desk_count_taken(void)
{
	uint64_t count = 0;

	for (unsigned i = 0; fake_desk != NULL && i < DESK_CREDITS; i++)
		count += atomic_load(&fake_desk->credit[i].word) !=
			 credit_word(CREDIT_LENT, 0);
	return count;
}

int fake_book_open(uint64_t page_count, uint32_t state, uint32_t end_state)
{
	struct book_entry *entries;
	int fd;

	entries = open_sealed(book_bytes(page_count), &fd);
	for (uint64_t i = 0; i < page_count; i++)
		atomic_store(&entries[i].state, state);
	atomic_store(&entries[page_count].state, end_state);
	munmap(entries, book_bytes(page_count));
	return fd;
}
