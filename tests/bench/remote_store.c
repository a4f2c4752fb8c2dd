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

enum {
	SLOTS = REMOTE_SPACE_BYTES / SWAP_SLOT_BYTES,
	PAGE_WORDS = SWAP_SLOT_BYTES / sizeof(uint64_t),
	FILL_SLOTS = 64,		/* one write */
	SETTLE_MS = 10000,
};

/* ---- the store */

static struct run {
	struct swapstore *store;
	uint64_t sent_ns[REMOTE_DEPTH_MAX], offset[REMOTE_DEPTH_MAX];
	size_t asked, ended;
} run;
static _Alignas(SWAP_SLOT_BYTES) uint8_t
	buffers[REMOTE_DEPTH_MAX][REMOTE_BLOCK_MAX];

static uint64_t value_of(uint64_t slot, size_t word)
{
	return order_mix(slot << 16 | word);
}

static unsigned wait_for_some(struct swap_done *done)
{
	struct pollfd pfd = {
		.fd = swapstore_event_fd(run.store), .events = POLLIN,
	};
	unsigned count;

	if (swapstore_flush(run.store) != 0)
		return 0;
	while ((count = swapstore_reap(run.store, done,
				       REMOTE_DEPTH_MAX)) == 0)
		if (poll(&pfd, 1, SETTLE_MS) <= 0)
			return 0;
	return count;
}

static bool write_slots(void)
{
	uint64_t *word = (uint64_t *)(void *)buffers[0];
	struct swap_done done[REMOTE_DEPTH_MAX];

	for (uint32_t slot = 0; slot < SLOTS; slot += FILL_SLOTS) {
		const struct swap_io io = {
			.buffer = word, .slot = slot,
			.slot_count = FILL_SLOTS, .is_write = true,
		};

		for (size_t i = 0; i < FILL_SLOTS * PAGE_WORDS; i++)
			word[i] = value_of(slot + i / PAGE_WORDS,
					   i % PAGE_WORDS);
		if (swapstore_submit(run.store, &io) != 0 ||
		    wait_for_some(done) != 1 || done[0].result != 0)
			return false;
	}
	return true;
}

/* What is still on its way out would be answered from here. */
static bool settle(void)
{
	struct store_remote_status rs = { .behind_bytes = 1 };

	for (int ms = 0; rs.behind_bytes != 0 && ms < SETTLE_MS; ms += 10) {
		struct swap_done done;

		(void)poll(NULL, 0, 10);
		(void)swapstore_reap(run.store, &done, 1);
		(void)!swapstore_flush(run.store);
		store_remote_status_get(run.store, &rs);
	}
	return rs.behind_bytes == 0;
}

static bool ask(const struct remote_work *work, uint64_t place)
{
	uint64_t offset = remote_offset(work, run.asked++);
	const struct swap_io io = {
		.cookie = place,
		.buffer = buffers[place],
		.slot = (uint32_t)(offset / SWAP_SLOT_BYTES),
		.slot_count = (uint32_t)(work->block_bytes / SWAP_SLOT_BYTES),
	};

	run.offset[place] = offset;
	run.sent_ns[place] = clock_now_ns();
	return swapstore_submit(run.store, &io) == 0;
}

static bool is_right(const struct swap_done *done)
{
	uint64_t first, slot = run.offset[done->cookie] / SWAP_SLOT_BYTES;

	memcpy(&first, buffers[done->cookie], sizeof(first));
	if (done->result == 0 && first == value_of(slot, 0))
		return true;
	fprintf(stderr, "remote: store: WRONG BYTES\n");
	return false;
}

static bool read_all(const struct remote_work *work, uint64_t *ns)
{
	struct swap_done done[REMOTE_DEPTH_MAX];

	for (unsigned i = 0; i < work->depth && i < work->count; i++)
		if (!ask(work, i))
			return false;
	while (run.ended < work->count) {
		unsigned count = wait_for_some(done);

		if (count == 0)
			return false;
		for (unsigned i = 0; i < count; i++) {
			ns[run.ended++] = clock_now_ns() -
					  run.sent_ns[done[i].cookie];
			if (!is_right(&done[i]) ||
			    (run.asked < work->count &&
			     !ask(work, done[i].cookie)))
				return false;
		}
	}
	return true;
}

int remote_store(const char *address, const struct remote_work *work,
		 uint64_t *ns, uint64_t *ret_all_ns)
{
	const struct store_remote_options options = {
		.address = address, .slot_count = SLOTS,
	};
	char reason[256] = "no answer";
	bool is_good = false;
	uint64_t begin_ns;

	run = (struct run){ 0 };
	if (store_remote_create(&options, &run.store, reason,
				sizeof(reason)) == 0) {
		is_good = write_slots() && settle();
		begin_ns = clock_now_ns();
		is_good = is_good && read_all(work, ns);
		*ret_all_ns = clock_now_ns() - begin_ns;
		swapstore_destroy(run.store);
	}
	if (!is_good)
		fprintf(stderr, "remote: store: %s\n", reason);
	return is_good ? 0 : -1;
}

/* ---- a program */

static bool touch_at_random(volatile uint64_t *word, size_t count, uint64_t *ns)
{
	for (size_t i = 0; i < count; i++) {
		size_t page = (size_t)(order_mix(~i) % SLOTS);
		uint64_t start_ns = clock_now_ns();
		bool is_right = word[page * PAGE_WORDS] == order_mix(page);

		ns[i] = clock_now_ns() - start_ns;
		if (!is_right) {
			fprintf(stderr, "remote: faults: WRONG BYTES\n");
			return false;
		}
	}
	return true;
}

int remote_faults(const char *address, const struct remote_work *work,
		  uint64_t *ns, uint64_t *ret_all_ns)
{
	const struct memclient_map_options o = {
		.size = sizeof(o), .fault_mode = MEMCLIENT_FAULT_INLINE,
	};
	struct memclient *mc = NULL;
	bool is_good = false;
	uint64_t begin_ns;
	char tcp[512];
	void *at;

	snprintf(tcp, sizeof(tcp),
		 "tcp://%s?pool_size=8M&swap_size=256M&insecure_tcp=yes",
		 address);
	if (memclient_open(tcp, NULL, &mc) != 0 ||
	    memclient_map(mc, REMOTE_SPACE_BYTES, &o, &at) != 0 ||
	    memclient_advise(mc, at, REMOTE_SPACE_BYTES,
			     MEMCLIENT_ADVICE_RANDOM) != 0) {
		fprintf(stderr, "remote: faults: %s\n", memclient_error(mc));
	} else {
		for (size_t page = 0; page < SLOTS; page++)
			((uint64_t *)at)[page * PAGE_WORDS] = order_mix(page);
		begin_ns = clock_now_ns();
		is_good = touch_at_random(at, work->count, ns);
		*ret_all_ns = clock_now_ns() - begin_ns;
	}
	memclient_close(mc);
	return is_good ? 0 : -1;
}
