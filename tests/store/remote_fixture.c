/* SPDX-License-Identifier: MIT */
#include "tests/store/remote_fixture.h"

#include <errno.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)

const struct remote_server_plan behave;

char *fixture_slot(const struct fixture *fx, uint32_t idx)
{
	return fx->buffer + (size_t)idx * SWAP_SLOT_BYTES;
}

struct store_remote_options options_of(const struct fixture *fx)
{
	return (struct store_remote_options){
		.address = remote_server_address(fx->server),
		.command = "remote_test",
		.slot_count = SLOTS,
		.write_behind_bytes = BEHIND_SLOTS * SWAP_SLOT_BYTES,
		.queue_depth = DEPTH,
		.timeout_ns = 300 * MS_NS,
	};
}

void fixture_init_server(struct fixture *fx)
{
	*fx = (struct fixture){ 0 };
	fx->server = remote_server_create(SLOTS);
	fx->buffer = buffer_create((size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES);
}

void fixture_init(struct fixture *fx)
{
	struct store_remote_options options;
	int err, patience = 200;	/* on a busy machine */
	char reason[256] = "";

	fixture_init_server(fx);
	options = options_of(fx);
	do {
		err = store_remote_create(&options, &fx->st, reason,
					  sizeof(reason));
	} while (err == -ETIMEDOUT && patience-- > 0);
	if (err != 0)
		fail_msg("%s: %s", strerror(-err), reason);
}

void fixture_fini(struct fixture *fx)
{
	swapstore_destroy(fx->st);
	remote_server_destroy(fx->server);
	buffer_destroy(fx->buffer, (size_t)BUFFER_SLOTS * SWAP_SLOT_BYTES);
}

struct store_remote_status status_of(const struct fixture *fx)
{
	struct store_remote_status status;

	store_remote_status_get(fx->st, &status);
	return status;
}

struct remote_server_counts counts_of(const struct fixture *fx)
{
	struct remote_server_counts counts;

	remote_server_counts_get(fx->server, &counts);
	return counts;
}

void fixture_plan(struct fixture *fx, const struct remote_server_plan *how)
{
	fx->reconnects = fx->st == NULL ? 0 : status_of(fx).reconnects;
	remote_server_plan_set(fx->server, how, true);
}

void fixture_turn(struct fixture *fx)
{
	struct swap_done done;

	wait_readable(swapstore_event_fd(fx->st));
	assert_int_equal(swapstore_reap(fx->st, &done, 1), 0);
}

void wait_until_confirmed(struct fixture *fx)
{
	while (status_of(fx).behind_bytes > 0)
		fixture_turn(fx);
}

/* It may be up again before anybody looks. */
void wait_until_down(struct fixture *fx)
{
	while (status_of(fx).is_up &&
	       status_of(fx).reconnects == fx->reconnects)
		fixture_turn(fx);
}

void wait_until_up(struct fixture *fx)
{
	while (!status_of(fx).is_up)
		fixture_turn(fx);
}

void write_version(struct fixture *fx, uint32_t slot, uint32_t count,
		   uint32_t version)
{
	pattern_fill(fx->buffer, slot, count, version);
	assert_int_equal(store_do(fx->st, true, slot, count, fx->buffer), 0);
}

void expect_version(struct fixture *fx, uint32_t slot, uint32_t count,
		    uint32_t version)
{
	memset(fx->buffer, 0xee, (size_t)count * SWAP_SLOT_BYTES);
	assert_int_equal(store_do(fx->st, false, slot, count, fx->buffer), 0);
	assert_true(pattern_is(fx->buffer, slot, count, version));
}

int fixture_submit(struct fixture *fx, bool is_write, uint32_t slot,
		   uint32_t count)
{
	struct swap_io io = {
		.cookie = slot, .buffer = fixture_slot(fx, slot), .slot = slot,
		.slot_count = count, .is_write = is_write,
	};

	return swapstore_submit(fx->st, &io);
}

int fixture_submit_ahead(struct fixture *fx, uint32_t slot, uint32_t count)
{
	struct swap_io io = {
		.cookie = slot, .buffer = fixture_slot(fx, slot), .slot = slot,
		.slot_count = count, .is_ahead = true,
	};

	return swapstore_submit(fx->st, &io);
}
