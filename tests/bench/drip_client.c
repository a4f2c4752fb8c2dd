/* SPDX-License-Identifier: MIT */
#include "tests/bench/drip.h"

#include "common/clock.h"
#include "swapstore/store_remote.h"
#include "tests/bench/order.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4096, PATIENCE_MS = 60000, WORDS = SWAP_SLOT_BYTES / 8 };

struct drip_client {
	struct swapstore *store;
	uint64_t asked;
	uint64_t words[WORDS] __attribute__((aligned(SWAP_SLOT_BYTES)));
};

static uint64_t word_of(uint32_t slot, size_t i)
{
	return order_mix((uint64_t)slot << 16 | i);
}

static bool wait_for_store(struct swapstore *st)
{
	struct pollfd pfd = { .fd = swapstore_event_fd(st), .events = POLLIN };

	return poll(&pfd, 1, PATIENCE_MS) > 0;
}

static int do_one(struct drip_client *cl, uint32_t slot, bool is_write)
{
	const struct swap_io io = {
		.buffer = cl->words, .slot = slot, .slot_count = 1,
		.is_write = is_write,
	};
	struct swap_done done;

	if (swapstore_submit(cl->store, &io) != 0 ||
	    swapstore_flush(cl->store) != 0)
		return -1;
	while (swapstore_reap(cl->store, &done, 1) == 0)
		if (!wait_for_store(cl->store))
			return -1;
	return done.result == 0 ? 0 : -1;
}

static int write_all(struct drip_client *cl)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		for (size_t i = 0; i < WORDS; i++)
			cl->words[i] = word_of(slot, i);
		if (do_one(cl, slot, true) != 0)
			return -1;
	}
	return 0;
}

/* What is still on its way out would be answered from here. */
static int settle(struct drip_client *cl)
{
	struct store_remote_status status;
	struct swap_done done;

	for (;;) {
		store_remote_status_get(cl->store, &status);
		if (status.behind_bytes == 0)
			return 0;
		if (!wait_for_store(cl->store))
			return -1;
		(void)swapstore_reap(cl->store, &done, 1);
	}
}

static int open_store(const char *address, struct channel_context *tls,
		      uint32_t slot_count, struct swapstore **ret_store,
		      char *ret_reason, size_t reason_size)
{
	const struct store_remote_options options = {
		.address = address, .tls = tls, .command = "drip",
		.slot_count = slot_count,
	};

	return store_remote_create(&options, ret_store, ret_reason,
				   reason_size);
}

int drip_client_create(const char *address, struct channel_context *tls,
		       struct drip_client **ret_client)
{
	struct drip_client *cl = aligned_alloc(SWAP_SLOT_BYTES, sizeof(*cl));
	char reason[256] = "no memory";

	if (cl == NULL ||
	    open_store(address, tls, SLOTS, &cl->store, reason,
		       sizeof(reason)) != 0) {
		fprintf(stderr, "drip: %s\n", reason);
		free(cl);
		return -1;
	}
	cl->asked = 0;
	if (write_all(cl) != 0 || settle(cl) != 0) {
		fprintf(stderr, "drip: what was written is not kept\n");
		drip_client_destroy(cl);
		return -1;
	}
	*ret_client = cl;
	return 0;
}

void drip_client_destroy(struct drip_client *cl)
{
	if (cl != NULL)
		swapstore_destroy(cl->store);
	free(cl);
}

static bool is_right(const struct drip_client *cl, uint32_t slot)
{
	for (size_t i = 0; i < WORDS; i++)
		if (cl->words[i] != word_of(slot, i))
			return false;
	return true;
}

static int read_some(struct drip_client *cl, size_t count,
		     struct remote_meter *m)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t slot = (uint32_t)(order_mix(~cl->asked++) % SLOTS);
		uint64_t start_ns = clock_now_ns();

		if (do_one(cl, slot, false) != 0) {
			fprintf(stderr, "drip: no answer to a read\n");
			return -1;
		}
		remote_meter_add(m, clock_now_ns() - start_ns);
		if (!is_right(cl, slot)) {
			fprintf(stderr, "drip: wrong bytes\n");
			return -1;
		}
	}
	return 0;
}

int drip_client_read(struct drip_client *cl, size_t count,
		     struct remote_result *ret_result)
{
	struct remote_meter m;
	int err;

	if (remote_meter_init(&m, count) != 0)
		return -1;
	err = read_some(cl, count, &m);
	remote_meter_end(&m, ret_result);
	return err;
}

bool drip_client_comes_in(const char *address, struct channel_context *tls)
{
	struct swapstore *store;
	char reason[256];

	if (open_store(address, tls, 1, &store, reason, sizeof(reason)) != 0)
		return false;
	swapstore_destroy(store);
	return true;
}
