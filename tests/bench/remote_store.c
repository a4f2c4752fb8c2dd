/* SPDX-License-Identifier: MIT */
/* Reads from a store on another memd, without a pager; and a program's faults
 * with everything. */
#include "tests/bench/remote.h"

#include "client/include/memclient.h"
#include "common/clock.h"
#include "swapstore/store_remote.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLOTS = REMOTE_SPACE_BYTES / SWAP_SLOT_BYTES,
	FILL_SLOTS = 64,		/* one write */
	SETTLE_MS = 10000,
};

/* ---- the store */

struct run {
	struct swapstore *store;
	const struct remote_work *work;
	uint64_t *ns;			/* out: of each request */
	uint8_t *buffers;		/* depth blocks */
	uint64_t sent_ns[REMOTE_DEPTH_MAX];
	uint64_t offset[REMOTE_DEPTH_MAX];
	size_t asked, ended;
	bool is_wrong;
};

static void fill_slot(uint8_t *slot, uint32_t number)
{
	uint64_t *word = (uint64_t *)(void *)slot;

	for (size_t i = 0; i < SWAP_SLOT_BYTES / sizeof(*word); i++)
		word[i] = order_mix((uint64_t)number << 16 | i);
}

static bool is_slot(const uint8_t *slot, uint32_t number)
{
	uint64_t first;

	memcpy(&first, slot, sizeof(first));
	return first == order_mix((uint64_t)number << 16);
}

static unsigned wait_for_some(struct swapstore *st, struct swap_done *done)
{
	struct pollfd pfd = { .fd = swapstore_event_fd(st), .events = POLLIN };
	unsigned count;

	while ((count = swapstore_reap(st, done, REMOTE_DEPTH_MAX)) == 0)
		if (poll(&pfd, 1, SETTLE_MS) <= 0)
			return 0;
	return count;
}

static bool write_slots(struct swapstore *st, uint8_t *buffer)
{
	struct swap_done done[REMOTE_DEPTH_MAX];

	for (uint32_t slot = 0; slot < SLOTS; slot += FILL_SLOTS) {
		struct swap_io io = {
			.buffer = buffer, .slot = slot,
			.slot_count = FILL_SLOTS, .is_write = true,
		};

		for (uint32_t i = 0; i < FILL_SLOTS; i++)
			fill_slot(buffer + (size_t)i * SWAP_SLOT_BYTES,
				  slot + i);
		if (swapstore_submit(st, &io) != 0 ||
		    swapstore_flush(st) != 0 ||
		    wait_for_some(st, done) != 1 || done[0].result != 0)
			return false;
	}
	return true;
}

/* What is still on its way out would be answered from here. */
static bool settle(struct swapstore *st)
{
	uint64_t until_ns = clock_now_ns() + SETTLE_MS * UINT64_C(1000000);
	struct store_remote_status rs;

	do {
		struct pollfd pfd = { .fd = swapstore_event_fd(st),
				      .events = POLLIN };
		struct swap_done done;

		(void)poll(&pfd, 1, 10);
		(void)swapstore_reap(st, &done, 1);
		(void)!swapstore_flush(st);
		store_remote_status_get(st, &rs);
	} while (rs.behind_bytes != 0 && clock_now_ns() < until_ns);
	return rs.behind_bytes == 0;
}

static bool ask(struct run *run, unsigned place)
{
	struct swap_io io = {
		.cookie = place,
		.buffer = run->buffers + place * run->work->block_bytes,
		.slot_count = (uint32_t)(run->work->block_bytes /
					 SWAP_SLOT_BYTES),
	};

	run->offset[place] = remote_offset(run->work, run->asked++);
	io.slot = (uint32_t)(run->offset[place] / SWAP_SLOT_BYTES);
	run->sent_ns[place] = clock_now_ns();
	return swapstore_submit(run->store, &io) == 0;
}

static void take(struct run *run, const struct swap_done *done)
{
	unsigned place = (unsigned)done->cookie;

	run->ns[run->ended++] = clock_now_ns() - run->sent_ns[place];
	run->is_wrong |= done->result != 0 ||
		!is_slot(run->buffers + place * run->work->block_bytes,
			 (uint32_t)(run->offset[place] / SWAP_SLOT_BYTES));
}

static bool read_all(struct run *run)
{
	const struct remote_work *work = run->work;
	struct swap_done done[REMOTE_DEPTH_MAX];

	for (unsigned i = 0; i < work->depth && i < work->count; i++)
		if (!ask(run, i))
			return false;
	while (run->ended < work->count) {
		unsigned count;

		if (swapstore_flush(run->store) != 0)
			return false;
		count = wait_for_some(run->store, done);
		if (count == 0)
			return false;
		for (unsigned i = 0; i < count; i++) {
			take(run, &done[i]);
			if (run->asked < work->count &&
			    !ask(run, (unsigned)done[i].cookie))
				return false;
		}
	}
	return !run->is_wrong;
}

static bool measure(struct run *run, uint64_t *ret_all_ns)
{
	uint64_t begin_ns;

	if (!write_slots(run->store, run->buffers) || !settle(run->store))
		return false;
	begin_ns = clock_now_ns();
	if (!read_all(run))
		return false;
	*ret_all_ns = clock_now_ns() - begin_ns;
	return true;
}

int remote_store(const char *address, const struct remote_work *work,
		 uint64_t *ns, uint64_t *ret_all_ns)
{
	const struct store_remote_options options = {
		.address = address, .slot_count = SLOTS,
	};
	size_t bytes = (size_t)REMOTE_DEPTH_MAX * REMOTE_BLOCK_MAX;
	struct run run = { .work = work, .ns = ns };
	char reason[256] = "";
	bool is_good = false;

	run.buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run.buffers == MAP_FAILED)
		return -1;
	if (store_remote_create(&options, &run.store, reason,
				sizeof(reason)) == 0) {
		is_good = measure(&run, ret_all_ns);
		swapstore_destroy(run.store);
	}
	munmap(run.buffers, bytes);
	if (!is_good)
		fprintf(stderr, "remote: store: %s\n", run.is_wrong ?
			"WRONG BYTES" : reason[0] != '\0' ? reason :
			"no answer");
	return is_good ? 0 : -1;
}

/* ---- a program */

static int touch_at_random(volatile uint64_t *word, size_t count, uint64_t *ns,
			   uint64_t *ret_all_ns)
{
	const size_t per_page = SWAP_SLOT_BYTES / sizeof(*word);
	uint64_t begin_ns;

	for (size_t page = 0; page < SLOTS; page++)
		word[page * per_page] = order_mix(page);
	begin_ns = clock_now_ns();
	for (size_t i = 0; i < count; i++) {
		size_t page = (size_t)(order_mix(~i) % SLOTS);
		uint64_t start_ns = clock_now_ns();
		bool is_right = word[page * per_page] == order_mix(page);

		ns[i] = clock_now_ns() - start_ns;
		if (!is_right) {
			fprintf(stderr, "remote: faults: WRONG BYTES\n");
			return -1;
		}
	}
	*ret_all_ns = clock_now_ns() - begin_ns;
	return 0;
}

int remote_faults(const char *address, const struct remote_work *work,
		  uint64_t *ns, uint64_t *ret_all_ns)
{
	const struct memclient_map_options o = {
		.size = sizeof(o), .fault_mode = MEMCLIENT_FAULT_INLINE,
	};
	struct memclient *mc = NULL;
	int err = -1;
	char tcp[512];
	void *at;

	snprintf(tcp, sizeof(tcp),
		 "tcp://%s?pool_size=8M&swap_size=256M&insecure_tcp=yes",
		 address);
	if (memclient_open(tcp, NULL, &mc) != 0 ||
	    memclient_map(mc, REMOTE_SPACE_BYTES, &o, &at) != 0 ||
	    memclient_advise(mc, at, REMOTE_SPACE_BYTES,
			     MEMCLIENT_ADVICE_RANDOM) != 0)
		fprintf(stderr, "remote: faults: %s\n", memclient_error(mc));
	else
		err = touch_at_random(at, work->count, ns, ret_all_ns);
	memclient_close(mc);
	return err;
}
