/* SPDX-License-Identifier: MIT */
/* A swap store on another host: a memd there keeps the slots (the Store…
 * messages of memd.proto), over TCP or TLS.
 *
 * Writes are *behind*: a write ends as soon as its bytes are in a buffer here,
 * of a fixed size, and is sent later.  Reads overtake writes; slots that are
 * still in the buffer are read from it.  Many requests are under way at once.
 *
 * A connection that breaks is made again, with growing pauses, for ever.
 * Meanwhile requests wait: none fails and none is lost, because the buffer
 * keeps all bytes that the server has not confirmed, and reads without an
 * answer are asked again.  Slots are lost only if the server does not know the
 * store any more, because it was restarted.  A read of a slot that was written
 * before, and is not in the buffer, is then -SWAP_ELOST.  So is a read of a
 * slot that the server cannot read.  Slots that are written from then on are
 * kept as usual.
 *
 * The host's name is looked up again, on a thread of its own, each time that a
 * connection must be made; all its addresses are tried.
 *
 * Only two calls block: store_remote_create() and, for a moment,
 * swapstore_destroy(), which tells the server that it need not keep the
 * store. */
#ifndef MEMD_SWAPSTORE_STORE_REMOTE_H
#define MEMD_SWAPSTORE_STORE_REMOTE_H

#include "proto/channel.h"
#include "swapstore/swapstore.h"

struct store_remote_options {
	const char *address;		/* HOST:PORT or [IPV6]:PORT */
	struct channel_context *tls;	/* borrowed; NULL: plain TCP */
	const char *command;		/* name shown there; NULL: "memd" */
	uint32_t slot_count;
	size_t write_behind_bytes;	/* 0: 16 MiB */
	unsigned queue_depth;		/* requests under way; 0: 128 */
	/* For the first connection, and until a connection without answers is
	 * given up; 0: 5 s. */
	uint64_t timeout_ns;
	/* Is a child of a mirror (mirror_child.h). */
	bool is_mirrored;
	/* No error if the host cannot be reached at first; the store goes on
	 * trying. */
	bool may_be_away;
};

/* Look the host up, connect, and open the store.  Returns 0; with may_be_away,
 * ret_reason is then empty or says in one line why the store is not up.  Or
 * returns -errno with one line in ret_reason that names the address and says
 * what to do: -EHOSTUNREACH (no such host), -ECONNREFUSED, -ETIMEDOUT, -EACCES
 * (refused, or a bad certificate), -EPROTO, -EDQUOT, -ENOSPC, -EINVAL, -ENOMEM.
 * Blocks for the lookup and the connection, at most timeout_ns. */
int store_remote_create(const struct store_remote_options *options,
			struct swapstore **ret_store, char *ret_reason,
			size_t reason_size) MUST_CHECK;

struct store_remote_status {
	char address[CHANNEL_NAME_BYTES];
	bool is_up;
	char reason[CHANNEL_REASON_BYTES];	/* not up: the reason */
	uint64_t down_ns;		/* not up: since when */
	uint64_t rtt_ns;		/* smoothed by TCP; 0: unknown */
	uint64_t sent_bytes, received_bytes;
	uint64_t reconnects;
	/* Stores opened: 1, and one more each time that all was lost. */
	uint64_t epoch;
	uint64_t lost_slots;		/* since the start */
	uint64_t behind_bytes, behind_max_bytes;
	uint64_t waiting;		/* requests without an answer */
};

/* `st` must be a store_remote (ASSERT). */
void store_remote_status_get(const struct swapstore *st,
			     struct store_remote_status *ret_status);

bool store_is_remote(const struct swapstore *st);

/* Use `tls` (borrowed; NULL: plain) for connections from now on.  A connection
 * whose server would be refused now ends, and is tried again. */
void store_remote_renew(struct swapstore *st, struct channel_context *tls);

/* For a mirror: as in struct store_mirror_child. */
bool store_remote_is_up(const struct swapstore *st);
uint64_t store_remote_epoch(const struct swapstore *st);
bool store_remote_has(const struct swapstore *st, uint32_t slot);

#endif
