/* SPDX-License-Identifier: MIT */
/* Two channels that are connected, and a world of certificates for them.  For
 * tests of channels; asserts with cmocka. */
#ifndef MEMD_TESTS_PROTO_CHANNEL_PAIR_H
#define MEMD_TESTS_PROTO_CHANNEL_PAIR_H

#include "proto/channel.h"
#include <stdbool.h>

/* ca.pem knows: server (DNS localhost, *.example.org, p*.example.net, IP
 * 127.0.0.1, ::1), named (no hosts, common name localhost), alice, bob
 * (revoked in crl.pem), old (expired), early (not yet valid), two (two common
 * names), odd (a line break in its name), and for servers old_server and
 * early_server; crl_none.pem is an empty list, crl_old.pem has expired.
 * stranger is of stranger_ca.pem; twin of twin_ca.pem, a CA with the same
 * name as ours; stranger_crl.pem and twin_crl.pem are empty lists of theirs.
 *  cmocka's group setup and teardown. */
int world_create(void **state);
int world_remove(void **state);

/* Of FILE.pem, FILE.key; crl NULL: none. */
struct channel_context *context_of(const char *file, const char *ca,
				   const char *crl, bool is_server);

struct pair {
	struct channel server, client;
};

/* ret_fds: non-blocking; a socket pair, or TCP on the loopback device. */
void sockets_connect(bool is_tcp, int ret_fds[2]);

void pair_open(struct pair *p, bool is_tcp, struct channel_context *server,
	       struct channel_context *client, const char *name);
void pair_close(struct pair *p);

/* With server and alice, both good. */
void pair_open_good(struct pair *p, bool is_tcp);

/* Until no end says -EAGAIN, or both do and nothing moves any more. */
void pair_shake(struct pair *p, int *ret_server, int *ret_client);

/* Receive until something else than -EAGAIN comes, at most for a while. */
ssize_t await_recv(struct channel *ch, void *to, size_t length);

/* All of it, waiting when need be.  False: the other end is gone, or a wait was
 * too long.  These two assert nothing. */
bool channel_send_all(struct channel *ch, const void *bytes, size_t length);
bool channel_receive_all(struct channel *ch, void *to, size_t length);
/* Wait for what the channel waits for.  False: it was too long. */
bool channel_await(const struct channel *ch);

/* The byte that is at `at` of stream `seed`. */
uint8_t pattern_byte(unsigned seed, size_t at);

#endif
