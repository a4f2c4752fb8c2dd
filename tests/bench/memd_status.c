/* SPDX-License-Identifier: MIT */
/* See memd_status.h. */
#include "tests/bench/memd_status.h"

#include "proto/wire.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	PATIENCE_S = 30,	/* a hang, not a slow machine */
	MESSAGE_BYTES_MAX = 64 * 1024,
};

static int receive(int fd, void *to, size_t bytes)
{
	ssize_t n = recv(fd, to, bytes, MSG_WAITALL);

	if (n < 0)
		return -errno;
	return (size_t)n == bytes ? 0 : -ECONNRESET;
}

/* Send one request, and receive its reply's body. */
static int ask(int fd, uint16_t type, const ProtobufCMessage *message,
	       uint16_t reply_type, uint8_t *ret_body, size_t *ret_bytes)
{
	uint8_t request[1024], header[WIRE_HEADER_BYTES];
	struct wire_header h;
	ssize_t n = wire_pack(type, type, message, 0, request, sizeof(request));
	int err;

	if (n < 0)
		return (int)n;
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return -errno;
	err = receive(fd, header, sizeof(header));
	if (err == 0)
		err = wire_header_unpack(header, MESSAGE_BYTES_MAX, &h);
	if (err == 0)
		err = receive(fd, ret_body, h.body_bytes);
	if (err != 0)
		return err;
	*ret_bytes = h.body_bytes;
	return h.type == reply_type && h.payload_bytes == 0 ? 0 : -EPROTO;
}

static int unpack_status(const uint8_t *body, size_t bytes,
			 struct memd_status *st)
{
	Memd__StatusReply *r = memd__status_reply__unpack(NULL, bytes, body);

	if (r == NULL)
		return -EPROTO;
	st->metadata_bytes = r->metadata_bytes;
	st->is_empty = r->free_frames == r->pool_frames &&
		      r->free_slots + r->quarantined_slots == r->slot_count;
	snprintf(st->store, sizeof(st->store), "%s", r->store);
	memd__status_reply__free_unpacked(r, NULL);
	return 0;
}

static int unpack_faults(const uint8_t *body, size_t bytes,
			 struct memd_status *st)
{
	Memd__FaultStatsReply *r =
		memd__fault_stats_reply__unpack(NULL, bytes, body);

	if (r == NULL)
		return -EPROTO;
	for (size_t i = 0; i < r->n_kind; i++) {
		if (strcmp(r->kind[i]->kind, "swap_in") == 0)
			st->swapped_in = r->kind[i]->count;
		else if (strcmp(r->kind[i]->kind, "put_back") == 0)
			st->put_back = r->kind[i]->count;
	}
	memd__fault_stats_reply__free_unpacked(r, NULL);
	return 0;
}

int memd_status_read(int fd, struct memd_status *ret_status)
{
	static uint8_t body[MESSAGE_BYTES_MAX];
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	Memd__Hello hello = MEMD__HELLO__INIT;
	struct memd_status st = { 0 };
	size_t bytes;
	int err = 0;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.has_admin_only = hello.admin_only = true;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) != 0)
		err = -errno;
	if (err == 0)
		err = ask(fd, MEMD__MESSAGE_TYPE__TYPE_HELLO, &hello.base,
			  MEMD__MESSAGE_TYPE__TYPE_HELLO_REPLY, body, &bytes);
	if (err == 0)
		err = ask(fd, MEMD__MESSAGE_TYPE__TYPE_STATUS, NULL,
			  MEMD__MESSAGE_TYPE__TYPE_STATUS_REPLY, body, &bytes);
	if (err == 0)
		err = unpack_status(body, bytes, &st);
	if (err == 0)
		err = ask(fd, MEMD__MESSAGE_TYPE__TYPE_FAULT_STATS, NULL,
			  MEMD__MESSAGE_TYPE__TYPE_FAULT_STATS_REPLY, body,
			  &bytes);
	if (err == 0)
		err = unpack_faults(body, bytes, &st);
	if (err == 0)
		*ret_status = st;
	close(fd);
	return err;
}
