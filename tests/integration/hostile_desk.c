/* SPDX-License-Identifier: MIT */
#include "tests/integration/hostile_desk.h"

#include "tests/integration/model.h"
#include "tests/integration/onesided_program.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
	LIE_TIMES = 32,		/* also of pages that there are not */
	KEEP_AFTER = 64,
};

/* ---- the desk */

void hostile_desk_hold_intents(struct hostile_desk *hd)
{
	struct desk_client *dc = &hd->dc;
	uint64_t first = model_random(&hd->rng) % hd->pages;

	for (unsigned i = 0; i < DESK_INTENTS; i++)
		atomic_store(&dc->desk->intent[i].word,
			     intent_word(dc->segment,
					 (uint32_t)(first + i) % hd->pages));
	atomic_store(&dc->desk->open, DESK_INTENTS);
	for (uint64_t page = first; page < first + DESK_INTENTS; page++)
		client_send_fault(dc->fd, 5, dc->segment, page % hd->pages);
	client_send_advise(dc->fd, 6, dc->segment, 0, hd->pages,
			   MEMD__ADVICE__ADVICE_PAGEOUT);
}

void hostile_desk_scribble(struct hostile_desk *hd)
{
	struct desk *desk = hd->dc.desk;
	volatile uint64_t *word = (volatile uint64_t *)desk;

	for (size_t i = 0; i < sizeof(struct desk) / 8; i++)
		word[i] = model_random(&hd->rng);
	atomic_store(&desk->is_rung, 1);
}

void hostile_desk_lie(struct hostile_desk *hd)
{
	struct desk_client *dc = &hd->dc;

	for (unsigned i = 0; i < DESK_CREDITS; i++) {
		uint64_t random = model_random(&hd->rng);
		uint32_t page = (uint32_t)(random >> 40) %
				(LIE_TIMES * hd->pages);
		struct desk_credit *c = &dc->desk->credit[i];

		/* Numbers of segments are small. */
		atomic_store(&c->segment, random % 2 == 0 ? dc->segment :
			     (uint32_t)(random >> 8) % 16);
		c->total_ns = (uint32_t)random;
		c->io_ns = (uint32_t)(random >> 16);
		atomic_store(&c->word, credit_word(random % 8 == 0 ?
						   CREDIT_TAKEN :
						   CREDIT_INSTALLED, page));
		atomic_store(&dc->desk->lent[i / 64], 0);
	}
}

void hostile_desk_keep(struct hostile_desk *hd)
{
	struct desk_client *dc = &hd->dc;
	enum credit_state state = hd->kept++ < KEEP_AFTER ? CREDIT_INSTALLED :
							    CREDIT_TAKEN;

	for (unsigned i = 0; i < DESK_CREDITS; i++) {
		atomic_store(&dc->desk->credit[i].segment, dc->segment);
		atomic_store(&dc->desk->credit[i].word,
			     credit_word(state, i % hd->pages));
		atomic_store(&dc->desk->lent[i / 64], 0);
	}
}

/* ---- the data file */

int hostile_desk_open_uffd(int flags)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
				flags);
	struct uffdio_api api = { .api = UFFD_API };

	if (uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) != 0) {
		close(uffd);
		return -1;
	}
	return uffd;
}

void *hostile_desk_map_missing(int uffd, int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, fd < 0 ?
			MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	struct uffdio_register r = {
		.range = { (uintptr_t)at, bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	NEED(at != MAP_FAILED);
	NEED(ioctl(uffd, UFFDIO_REGISTER, &r) == 0);
	return at;
}

void hostile_desk_install(struct hostile_desk *hd)
{
	const size_t half = HOSTILE_PAST_PAGES / 2 * UNIT_BYTES;
	int uffd = hostile_desk_open_uffd(UFFD_USER_MODE_ONLY);
	uint8_t *at = hostile_desk_map_missing(uffd, hd->dc.data, 2 * half);
	struct uffdio_zeropage zero = { .range = { (uintptr_t)at, half } };
	struct uffdio_copy copy = { .dst = (uintptr_t)at + half,
				    .len = half };
	void *bytes = malloc(half);

	NEED(bytes != NULL);
	memset(bytes, 7, half);
	copy.src = (uintptr_t)bytes;
	NEED(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0);
	NEED(ioctl(uffd, UFFDIO_COPY, &copy) == 0);
	free(bytes);
	munmap(at, 2 * half);
	close(uffd);
}
