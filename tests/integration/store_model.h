/* SPDX-License-Identifier: MIT */
/* A store in memd and what every slot of it must contain, through many requests
 * under way at once that overlap: they take effect in the order in which they
 * were sent, so each read must give what was written last before it. */
#ifndef MEMD_TESTS_STORE_MODEL_H
#define MEMD_TESTS_STORE_MODEL_H

#include "tests/integration/store_client.h"

enum {
	SLOTS = 8192,			/* 32 MiB, in a pool of 4 */
	STORE_WAITS = 64,
};

/* What a request that is under way expects. */
struct store_wait {
	bool is_used, is_read;
	uint32_t slot, count;
	uint32_t *version;		/* read: as of when it was sent */
};

struct store_model {
	int fd;
	uint64_t random;
	uint32_t version[SLOTS];
	struct store_wait wait[STORE_WAITS];
	unsigned waiting;
	uint8_t bytes[STORE_REQUEST_SLOTS * SLOT_BYTES];
};

/* Connects; opening the store is left to the test. */
struct store_model *store_model_create(const struct testmemd *tm);
/* Waits for all answers. */
void store_model_destroy(struct store_model *m);

/* Requests, whose answers are looked at when they come. */
void store_model_read(struct store_model *m, uint32_t slot, uint32_t count);
void store_model_write(struct store_model *m, uint32_t slot, uint32_t count);
void store_model_discard(struct store_model *m, uint32_t slot,
			 uint32_t count);
/* One of these, at random. */
void store_model_step(struct store_model *m);

/* Take one answer, of some that are waited for. */
void store_model_receive(struct store_model *m);

#endif
