/* SPDX-License-Identifier: MIT */
/* A client on another host, so to speak: talks to memd by TCP on 127.0.0.1,
 * by hand, about a store.  Otherwise as daemon_client.h, whose functions work
 * on its socket where no payload is on the way. */
#ifndef MEMD_TESTS_STORE_CLIENT_H
#define MEMD_TESTS_STORE_CLIENT_H

#include "tests/integration/daemon_client.h"

enum { SLOT_BYTES = 4096, TOKEN_BYTES = 16, STORE_REQUEST_SLOTS = 512 };

#define STORE_LISTEN		"--listen-tcp=127.0.0.1:0"
#define STORE_SMALL_POOL	"--pool-size=4M"

/* Start a memd with these two flags and another one, which may be NULL. */
void store_start(struct testmemd *tm, const char *flag);

/* The port memd says it listens on in its log. */
unsigned store_port(const struct testmemd *tm);

/* Connect; no word said yet. */
int store_connect(const struct testmemd *tm);
/* Connect and say Hello. */
int store_session(const struct testmemd *tm);

/* StoreOpen.  token NULL: a new store.  Returns 0 and, if wanted, the token,
 * or the errno number of the Error. */
int store_open(int fd, uint32_t slot_count, const uint8_t *token,
	       uint8_t *ret_token);

/* Requests, not waited for. */
void store_send_read(int fd, uint64_t id, uint32_t slot, uint32_t count);
void store_send_write(int fd, uint64_t id, uint32_t slot, uint32_t count,
		      const void *bytes);
void store_send_discard(int fd, uint64_t first, uint64_t count);
/* The header and body of a StoreWrite that says it has `payload` bytes. */
void store_send_write_header(int fd, uint64_t id, uint32_t slot,
			     uint32_t count, uint32_t payload);

/* The next message, with its payload behind its body in `body`.  False: the
 * end. */
bool store_try_receive(int fd, struct answer *ret_answer);

/* Both ways; the reply must be good. */
void store_read(int fd, uint32_t slot, uint32_t count, void *ret_bytes);
void store_write(int fd, uint32_t slot, uint32_t count, const void *bytes);

/* A slot's bytes follow from its number and how often it was written; version
 * 0: never, or discarded, so zeros. */
void slot_fill(uint8_t *to, uint32_t slot, uint32_t version);
void slots_check(const uint8_t *bytes, uint32_t slot, uint32_t count,
		 const uint32_t *version);

/* Up to 8 slots of one version. */
void store_expect(int fd, uint32_t slot, uint32_t count, uint32_t version);
void store_write_version(int fd, uint32_t slot, uint32_t count,
			 uint32_t version);

#endif
