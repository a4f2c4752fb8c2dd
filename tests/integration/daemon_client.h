/* SPDX-License-Identifier: MIT */
/* A client that speaks memd's protocol by hand, so that a test can say things
 * no library would.  Every wait has a limit; every failure is a failed cmocka
 * assertion unless the name says `try`. */
#ifndef MEMD_TESTS_DAEMON_CLIENT_H
#define MEMD_TESTS_DAEMON_CLIENT_H

#include "tests/integration/testmemd.h"
#include "tests/integration/wire_peer.h"

/* Connect; no word said yet. */
int client_connect(const struct testmemd *tm);

void client_send(int fd, uint16_t type, uint64_t id,
		 const ProtobufCMessage *message);
void client_send_bytes(int fd, const void *bytes, size_t length);
/* Returns false when memd has closed the connection. */
bool client_try_send(int fd, uint16_t type, uint64_t id,
		     const ProtobufCMessage *message);

/* Returns false at the end of the connection. */
bool client_try_receive(int fd, struct answer *ret_answer);
/* The next message that is a reply (id not 0). */
void client_receive(int fd, uint16_t type, uint64_t id,
		    struct answer *ret_answer);

/* Unpack the body; free with protobuf_c_message_free_unpacked(). */
void *answer_unpack(const struct answer *a,
		    const ProtobufCMessageDescriptor *descriptor);

void client_expect_ok(int fd, uint64_t id);
/* `code` is an errno number; the text must contain `part` (NULL: anything). */
void client_expect_error(int fd, uint64_t id, int code, const char *part);
/* Nothing more comes but the end of the connection. */
void client_expect_end(int fd);

/* Connect, say Hello, and hand over a userfaultfd unless it is for
 * administration.  The reply, if wanted, is to be freed with
 * memd__hello_reply__free_unpacked(). */
int client_open(const struct testmemd *tm, bool is_admin_only,
		Memd__HelloReply **ret_reply);

/* The same for no administrator, with these capabilities. */
int client_open_with(const struct testmemd *tm, uint64_t capabilities,
		     Memd__HelloReply **ret_reply);

/* The same without the userfaultfd that the library would hand over. */
int client_open_bare(const struct testmemd *tm);

/* A message without body, with descriptors.  False: it could not be sent. */
bool client_try_send_fds(int fd, uint16_t type, const int *fds, unsigned count);

/* Hand over a userfaultfd of this process. */
void client_hand_over(int fd);

/* Make a private segment and attach it; returns its data file. */
int client_map(int fd, uint64_t length, uint32_t page_bytes,
	       uint32_t *ret_segment);
/* Send SegmentCreate for a name, without attaching. */
void client_send_create(int fd, uint64_t id, const char *name,
			uint64_t length, uint32_t mode);
/* Attach by name; returns the data file. */
int client_attach(int fd, const char *name, bool is_read_only,
		  uint32_t *ret_segment);
void client_send_range(int fd, uint16_t type, uint64_t id, uint32_t segment,
		       uint64_t first, uint64_t count);
void client_send_advise(int fd, uint64_t id, uint32_t segment, uint64_t first,
			uint64_t count, Memd__Advice advice);
void client_send_fault(int fd, uint64_t id, uint32_t segment, uint64_t page);
/* The FaultReply to `id`; returns its error (an errno number). */
uint32_t client_receive_fault(int fd, uint64_t id, uint64_t page);

/* A counter or gauge by its name, as `memctl stats` shows it.  `admin` is a
 * session that may ask. */
uint64_t client_counter(int admin, const char *name);
/* Wait until a gauge has a value; fails after a minute. */
void client_await_counter(int admin, const char *name, uint64_t value);

#endif
