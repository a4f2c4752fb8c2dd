/* SPDX-License-Identifier: MIT */
/* A server of the Store… messages in a thread of the test, for store_remote:
 * an array of slots behind a plain socket on 127.0.0.1.  It does what the
 * protocol promises, except where its plan says otherwise; what goes wrong is
 * drawn from a seed.  It also judges its client: what a client must not send
 * is noted, and remote_server_destroy() fails the test for it. */
#ifndef MEMD_TESTS_REMOTE_SERVER_H
#define MEMD_TESTS_REMOTE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* Rates are per 65536 requests. */
struct remote_server_plan {
	uint64_t seed;
	uint32_t cut_bytes_max;	/* cut each connection after up to this many
				 * bytes, both ways together; 0: never */
	uint32_t hold_max;	/* keep up to so many answers back and send
				 * them in any order */
	uint32_t delay_us_max;	/* before an answer */
	uint32_t stall_rate;	/* never answer on this connection again */
	uint32_t garbage_rate;	/* an answer that is none */
	uint32_t garbage_hello_rate;	/* the same before StoreOpenReply */
	uint32_t busy_rate;	/* Error{EBUSY}, nothing done */
	uint32_t forget_rate;	/* per 65536 connections: all stores gone */
	uint32_t hello_error;	/* errno: refuse Hello with it */
	uint32_t open_error;	/* errno: refuse StoreOpen with it */
	uint32_t read_error;	/* errno: refuse all reads with it */
	uint32_t write_error;	/* errno: refuse all writes with it */
	bool is_silent;		/* read and answer nothing but Hello, Open */
	bool is_closed;		/* close what is accepted at once */
	bool is_no_store;	/* no CAP_STORE */
	bool is_slow_hello;	/* never answer Hello */
	bool keeps_reads;	/* answer no read that comes now */
	bool keeps_kept;	/* nor one that was kept before */
};

struct remote_server;

struct remote_server *remote_server_create(uint32_t slot_count);
void remote_server_destroy(struct remote_server *rs);

/* "127.0.0.1:PORT"; lives as long as the server. */
const char *remote_server_address(const struct remote_server *rs);

/* From the next message on.  cut: and end the connection there is now. */
void remote_server_plan_set(struct remote_server *rs,
			    const struct remote_server_plan *plan, bool cut);

/* All stores are gone, and the connection, as after a restart. */
void remote_server_forget(struct remote_server *rs);

enum { REMOTE_SERVER_LOG_MAX = 64 };

struct remote_server_counts {
	uint64_t connections, opened, resumed, forgotten;
	uint64_t reads, writes, discards, closes;
	uint64_t written_slots, discarded_slots;
	uint64_t garbage, stalls, busy;
	uint64_t last_read_at, first_write_at;	/* messages since the last
						 * remote_server_plan_set() */
	uint32_t unanswered_max;
	uint32_t kept;			/* reads that are kept now */
	/* The first reads and writes since then, by their first slots. */
	struct {
		uint32_t slot;
		bool is_write;
	} log[REMOTE_SERVER_LOG_MAX];
	uint32_t log_count;
};
void remote_server_counts_get(struct remote_server *rs,
			      struct remote_server_counts *ret_counts);

#endif
