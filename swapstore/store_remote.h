/* SPDX-License-Identifier: MIT */
/* A swap store on another host: slots are kept by a memd there (the Store…
 * messages of memd.proto), over TCP or TLS.
 *
 * Writes are *behind*: they complete as soon as their bytes are in a buffer
 * here, of a fixed size, and go out from there; reads overtake them, and a
 * read of what is still in the buffer is answered from it.  Many requests are
 * on their way at once.
 *
 * A connection that breaks is made again, with growing pauses, for ever.
 * Meanwhile requests wait: none fails because of that, and none is lost, as
 * the buffer keeps what the server has not confirmed, and what had no answer
 * is asked again.  Only when the server does not know the store any more (it
 * was restarted) are its slots lost: a read of one that was written before,
 * and is not in the buffer, is -SWAP_ELOST then, and so is one that the server
 * says it cannot read; what is written from then on is kept as ever.
 *
 * A host is looked up by its name again each time that it must be connected to
 * anew, on a thread of its own, and all its addresses are tried.
 *
 * Nothing here blocks but store_remote_create() and, for a moment,
 * swapstore_destroy(), which says goodbye: so the server need not keep it. */
#ifndef MEMD_SWAPSTORE_STORE_REMOTE_H
#define MEMD_SWAPSTORE_STORE_REMOTE_H

#include "proto/channel.h"
#include "swapstore/swapstore.h"

struct store_remote_options {
	const char *address;		/* HOST:PORT, [IPV6]:PORT */
	struct channel_context *tls;	/* borrowed; NULL: plain */
	const char *command;		/* shown there; NULL: "memd" */
	uint32_t slot_count;
	size_t write_behind_bytes;	/* 0: 16 MiB */
	unsigned queue_depth;		/* requests on their way; 0: 128 */
	uint64_t timeout_ns;		/* to connect the first time, and until
					 * a connection that does not answer is
					 * given up; 0: 5 s */
	bool is_mirrored;		/* one of a mirror: see
					 * store_mirror_child */
	bool may_be_away;		/* not being reached the first time is
					 * no error: it goes on trying */
};

/* Looks the host up, connects and opens the store.  Returns 0 (if it may be
 * away: with an empty ret_reason, or a line that says why it is not up), or
 * -errno with one line in ret_reason that names the address and says what to
 * do: -EHOSTUNREACH (no such host), -ECONNREFUSED, -ETIMEDOUT, -EACCES
 * (refused, or a certificate is not good), -EPROTO, -EDQUOT, -ENOSPC, -EINVAL,
 * -ENOMEM. */
int store_remote_create(const struct store_remote_options *options,
			struct swapstore **ret_store, char *ret_reason,
			size_t reason_size) MUST_CHECK;

struct store_remote_status {
	char address[CHANNEL_NAME_BYTES];
	bool is_up;
	char reason[CHANNEL_REASON_BYTES];	/* not up: why */
	uint64_t down_ns;		/* not up: for how long */
	uint64_t rtt_ns;		/* smoothed by TCP; 0: unknown */
	uint64_t sent_bytes, received_bytes;
	uint64_t reconnects;
	uint64_t epoch;			/* stores opened: 1, and 1 more each
					 * time that all was lost */
	uint64_t lost_slots;		/* in all */
	uint64_t behind_bytes, behind_max_bytes;
	uint64_t waiting;		/* requests without an answer */
};

/* Of a store_remote; asserts that it is one. */
void store_remote_status_get(const struct swapstore *st,
			     struct store_remote_status *ret_status);

bool store_is_remote(const struct swapstore *st);

/* From now on connect with these (borrowed; NULL: plain).  A connection whose
 * server would be refused now ends, and is tried again. */
void store_remote_renew(struct swapstore *st, struct channel_context *tls);

/* Of a mirror's: as in store_mirror_child. */
bool store_remote_is_up(const struct swapstore *st);
uint64_t store_remote_epoch(const struct swapstore *st);
bool store_remote_has(const struct swapstore *st, uint32_t slot);

#endif
