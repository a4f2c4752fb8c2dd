/* SPDX-License-Identifier: MIT */
#include "client/fault/client_desk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- made and gone */

/* The daemon must not be able to shrink the file under us. */
static bool is_desk(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == sizeof(struct desk);
}

static void *map_private(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	(void)madvise(at, length, MADV_DONTFORK);
	return at;
}

enum { STAGING_BYTES = DESK_INTENTS * ONESIDED_PAGE_BYTES };

int client_desk_open(struct client_desk *cd, int fd, uint64_t generation)
{
	void *at;

	if (atomic_load(&cd->generation) != 0)
		return -EEXIST;
	if (atomic_load(&cd->users) != 0)	/* C1 */
		return -EBUSY;
	if (!is_desk(fd))
		return -EPROTO;
	if (cd->staging == NULL)
		cd->staging = map_private(STAGING_BYTES);
	if (cd->staging == NULL)
		return -ENOMEM;
	at = mmap(NULL, sizeof(*cd->shared), PROT_READ | PROT_WRITE,
		  MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(at, sizeof(*cd->shared), MADV_DONTFORK);
	if (cd->shared != NULL)
		munmap(cd->shared, sizeof(*cd->shared));
	cd->shared = at;
	atomic_store(&cd->generation, generation);
	return 0;
}

void client_desk_close(struct client_desk *cd)
{
	atomic_store(&cd->generation, 0);
}

void client_desk_fini(struct client_desk *cd)
{
	if (cd->shared != NULL)
		munmap(cd->shared, sizeof(*cd->shared));
	if (cd->staging != NULL)
		munmap(cd->staging, STAGING_BYTES);
	cd->shared = NULL;
	cd->staging = NULL;
}

/* ---- one fault */

static int fault_read(void *ctx, uint32_t slot, void *buffer)
{
	const struct desk_fault *df = ctx;

	return area_files_read(df->desk->files, slot, buffer);
}

int client_desk_install(void *desk_fault, uint32_t page, const void *bytes)
{
	const struct desk_fault *df = desk_fault;

	return uffd_install(df->uffd, region_page_start(df->region, page),
			    bytes);
}

int client_desk_map(void *desk_fault, uint32_t page)
{
	const struct desk_fault *df = desk_fault;
	uintptr_t at = region_page_start(df->region, page);

	return uffd_map(df->uffd, at, UFFD_UNIT_BYTES, at, UFFD_UNIT_BYTES) ==
	       UFFD_MAPPED ? 0 : -EFAULT;
}

static void fault_ring(void *ctx)
{
	const struct desk_fault *df = ctx;

	(void)!bell_ring(df->desk->bell, df->generation);
}

static const struct onesided_ops fault_ops = {
	.read = fault_read,
	.install = client_desk_install,
	.map = client_desk_map,
	.ring = fault_ring,
};

/* Threads begin at different places, which are likely to be in their cache. */
static unsigned place_of_thread(void)
{
	uint64_t hash = (uint64_t)(uintptr_t)&errno *
			UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(hash >> 40) % DESK_INTENTS;
}

static void set_up_steps(struct desk_fault *df, const struct onesided_ops *ops,
			 const struct book_entry *book, uint64_t page)
{
	const struct region *r = df->region;

	df->steps = (struct onesided){
		.ops = ops,
		.ctx = df,
		.desk = df->desk->shared,
		.staging = df->desk->staging,
		.entry = &book[page],
		.end = &book[region_page_count(r)],
		.serial = r->serial,
		.segment = atomic_load(&r->segment),
		.page = (uint32_t)page,
		.hint = place_of_thread(),
	};
}

bool client_desk_begin(struct desk_fault *df, const struct onesided_ops *ops,
		       uintptr_t address, uint64_t started_ns)
{
	struct region *r = df->region;
	const struct book_entry *book;

	atomic_fetch_add(&df->desk->users, 1);
	df->generation = atomic_load(&df->desk->generation);
	book = atomic_load(&r->book);
	if (df->generation == 0 || book == NULL ||
	    atomic_load(&r->state) != REGION_LIVE) {
		client_desk_end(df);
		return false;
	}
	set_up_steps(df, ops, book, region_page_at(r, address));
	df->steps.start_ns = started_ns;
	return true;
}

void client_desk_end(struct desk_fault *df)
{
	atomic_fetch_sub(&df->desk->users, 1);
}

enum onesided_result client_desk_fault(struct client_desk *cd, struct region *r,
				       int uffd, uintptr_t address,
				       uint64_t started_ns)
{
	struct desk_fault df = { .desk = cd, .region = r, .uffd = uffd };
	enum onesided_result result;

	if (!client_desk_begin(&df, &fault_ops, address, started_ns))
		return ONESIDED_ASK;
	result = onesided_run(&df.steps);
	client_desk_end(&df);
	return result;
}
