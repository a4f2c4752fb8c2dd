/* SPDX-License-Identifier: MIT */
/* A client that uses a mailbox by hand (see daemon_client.h for the rest): it
 * puts into the cells whatever a test wants. */
#ifndef MEMD_TESTS_MAILBOX_CLIENT_H
#define MEMD_TESTS_MAILBOX_CLIENT_H

#include "proto/mailbox.h"
#include "tests/integration/daemon_client.h"

struct mailbox_client {
	int fd;				/* its main connection */
	Memd__HelloReply *hello;
	int file;			/* of the mailbox */
	int bell;
	struct mailbox *box;
	uint32_t segment;		/* a private one, */
	int data;			/* its file */
};

/* Connect, map a segment of `length` bytes, get a mailbox and its bell. */
struct mailbox_client mailbox_client_open(const struct testmemd *tm,
					  uint64_t length);
void mailbox_client_close(struct mailbox_client *mc);

/* By a message. */
void mailbox_client_ring(const struct mailbox_client *mc);
/* By the bell.  One that is full has been rung. */
void mailbox_client_strike(const struct mailbox_client *mc);

/* Put bytes into a cell as they are, with this length, and ask; no ring. */
void mailbox_client_put(const struct mailbox_client *mc, unsigned cell,
			const void *bytes, size_t count,
			uint32_t frame_bytes);

/* The same with a message. */
void mailbox_client_ask(const struct mailbox_client *mc, unsigned cell,
			uint16_t type, uint64_t id,
			const ProtobufCMessage *message);
void mailbox_client_ask_page(const struct mailbox_client *mc, unsigned cell,
			     uint64_t id, uint64_t page);

/* Wait until memd has taken its turn at the cell; returns its state. */
uint32_t mailbox_client_await(const struct mailbox_client *mc, unsigned cell);

/* What came, of this type and id; frees the cell.  Each in memory of its own:
 * protobuf_c_message_free_unpacked(). */
void *mailbox_client_take(const struct mailbox_client *mc, unsigned cell,
			  uint16_t type, uint64_t id,
			  const ProtobufCMessageDescriptor *descriptor);

/* A FaultReply; returns its error. */
uint32_t mailbox_client_take_page(const struct mailbox_client *mc,
				  unsigned cell, uint64_t id, uint64_t page);

/* An Error; returns its code. */
uint32_t mailbox_client_take_error(const struct mailbox_client *mc,
				   unsigned cell, uint64_t id);

#endif
