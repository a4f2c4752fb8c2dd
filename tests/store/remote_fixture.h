/* SPDX-License-Identifier: MIT */
/* A store_remote on a server that is told how to behave (remote_server.h), and
 * what its tests do with it.  Asserts with cmocka; waits have storetest.h's
 * patience. */
#ifndef MEMD_TESTS_REMOTE_FIXTURE_H
#define MEMD_TESTS_REMOTE_FIXTURE_H

#include "swapstore/store_remote.h"
#include "tests/store/remote_server.h"
#include "tests/store/storetest.h"

enum {
	SLOTS = 1024,
	BUFFER_SLOTS = 1024,
	BEHIND_SLOTS = 64,
	DEPTH = 16,
};

struct fixture {
	struct remote_server *server;
	struct swapstore *st;
	char *buffer;
	uint64_t reconnects;	/* when the plan was made */
};

void fixture_init(struct fixture *fx);
/* Without the store. */
void fixture_init_server(struct fixture *fx);
void fixture_fini(struct fixture *fx);

struct store_remote_options options_of(const struct fixture *fx);
struct store_remote_status status_of(const struct fixture *fx);
struct remote_server_counts counts_of(const struct fixture *fx);

/* A slot's place in the buffer. */
char *fixture_slot(const struct fixture *fx, uint32_t idx);

/* The server is to behave like this, and the connection ends. */
void fixture_plan(struct fixture *fx, const struct remote_server_plan *how);
extern const struct remote_server_plan behave;	/* well */

/* Look after the store, with nothing expected to complete, sleeping. */
void fixture_turn(struct fixture *fx);
void wait_until_confirmed(struct fixture *fx);
void wait_until_down(struct fixture *fx);
void wait_until_up(struct fixture *fx);

/* One request, waited for. */
void write_version(struct fixture *fx, uint32_t slot, uint32_t count,
		   uint32_t version);
void expect_version(struct fixture *fx, uint32_t slot, uint32_t count,
		    uint32_t version);
/* Its bytes are at fixture_slot(), its cookie is its slot. */
int fixture_submit(struct fixture *fx, bool is_write, uint32_t slot,
		   uint32_t count);
int fixture_submit_ahead(struct fixture *fx, uint32_t slot, uint32_t count);

#endif
