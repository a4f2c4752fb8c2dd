/* SPDX-License-Identifier: MIT */
#include "tests/integration/mailbox_client.h"

#include <errno.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOMENT_NS = 10000000, MOMENTS_MAX = 6000 };

static void get_mailbox(struct mailbox_client *mc)
{
	Memd__MailboxReply *reply;
	struct answer a;

	client_send(mc->fd, T(MAILBOX), 6, NULL);
	client_receive(mc->fd, T(MAILBOX_REPLY), 6, &a);
	reply = answer_unpack(&a, &memd__mailbox_reply__descriptor);
	assert_int_equal(reply->cell_count, MAILBOX_CELLS);
	assert_true(reply->bell);
	memd__mailbox_reply__free_unpacked(reply, NULL);
	mc->file = a.fd;
	mc->bell = a.bell;
	assert_true(mc->file >= 0 && mc->bell >= 0);
	a.fd = a.bell = -1;
	answer_free(&a);
}

struct mailbox_client mailbox_client_open(const struct testmemd *tm,
					  uint64_t length)
{
	struct mailbox_client mc;

	mc.fd = client_open_with(tm, MEMD__CAPABILITY__CAP_BELL, &mc.hello);
	mc.data = client_map(mc.fd, length, 4096, &mc.segment);
	get_mailbox(&mc);
	mc.box = mmap(NULL, sizeof(*mc.box), PROT_READ | PROT_WRITE,
		      MAP_SHARED, mc.file, 0);
	assert_ptr_not_equal(mc.box, MAP_FAILED);
	return mc;
}

void mailbox_client_close(struct mailbox_client *mc)
{
	memd__hello_reply__free_unpacked(mc->hello, NULL);
	munmap(mc->box, sizeof(*mc->box));
	close(mc->file);
	close(mc->bell);
	close(mc->data);
	close(mc->fd);
}

void mailbox_client_ring(const struct mailbox_client *mc)
{
	client_send(mc->fd, T(RING), 0, NULL);
}

void mailbox_client_strike(const struct mailbox_client *mc)
{
	if (send(mc->bell, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		assert_int_equal(errno, EAGAIN);
}

void mailbox_client_put(const struct mailbox_client *mc, unsigned cell,
			const void *bytes, size_t count, uint32_t frame_bytes)
{
	struct mailbox_cell *c = &mc->box->cell[cell];

	assert_true(count <= sizeof(c->frame));
	memcpy(c->frame, bytes, count);
	c->frame_bytes = frame_bytes;
	atomic_store(&c->state, CELL_ASKED);
	atomic_fetch_or(&mc->box->asked, UINT64_C(1) << cell);
}

void mailbox_client_ask(const struct mailbox_client *mc, unsigned cell,
			uint16_t type, uint64_t id,
			const ProtobufCMessage *message)
{
	uint8_t frame[MAILBOX_FRAME_BYTES];
	ssize_t packed = wire_pack(type, id, message, 0, frame, sizeof(frame));

	assert_true(packed > 0);
	mailbox_client_put(mc, cell, frame, (size_t)packed, (uint32_t)packed);
}

void mailbox_client_ask_page(const struct mailbox_client *mc, unsigned cell,
			     uint64_t id, uint64_t page)
{
	Memd__Fault fault = MEMD__FAULT__INIT;

	fault.segment = mc->segment;
	fault.n_page = 1;
	fault.page = &page;
	mailbox_client_ask(mc, cell, T(FAULT), id, &fault.base);
}

/* Not all that frees a cell wakes somebody, so look now and then. */
uint32_t mailbox_client_await(const struct mailbox_client *mc, unsigned cell)
{
	struct mailbox_cell *c = &mc->box->cell[cell];
	struct timespec moment = { .tv_nsec = MOMENT_NS };
	uint32_t state;

	atomic_store(&c->is_waiting, 1);
	for (unsigned i = 0; i < MOMENTS_MAX; i++) {
		state = atomic_load(&c->state);
		if (state != CELL_ASKED && state != CELL_LEFT)
			break;
		(void)syscall(SYS_futex, &c->state, FUTEX_WAIT, state, &moment,
			      NULL, 0);
	}
	atomic_store(&c->is_waiting, 0);
	if (state == CELL_ASKED || state == CELL_LEFT)
		fail_msg("cell %u: nothing came", cell);
	return state;
}

void *mailbox_client_take(const struct mailbox_client *mc, unsigned cell,
			  uint16_t type, uint64_t id,
			  const ProtobufCMessageDescriptor *descriptor)
{
	struct mailbox_cell *c = &mc->box->cell[cell];
	struct wire_header h;
	void *message;

	assert_int_equal(mailbox_client_await(mc, cell), CELL_ANSWERED);
	assert_true(c->frame_bytes >= WIRE_HEADER_BYTES);
	assert_true(c->frame_bytes <= MAILBOX_FRAME_BYTES);
	assert_int_equal(wire_header_unpack(c->frame, c->frame_bytes -
					    WIRE_HEADER_BYTES, &h), 0);
	if (h.type != type || h.request_id != id)
		fail_msg("cell %u: expected %s %llu, got %s %llu", cell,
			 wire_type_name(type), (unsigned long long)id,
			 wire_type_name(h.type),
			 (unsigned long long)h.request_id);
	message = protobuf_c_message_unpack(descriptor, NULL, h.body_bytes,
					    c->frame + WIRE_HEADER_BYTES);
	assert_non_null(message);
	atomic_store(&c->state, CELL_FREE);
	return message;
}

uint32_t mailbox_client_take_page(const struct mailbox_client *mc,
				  unsigned cell, uint64_t id, uint64_t page)
{
	Memd__FaultReply *reply = mailbox_client_take(
		mc, cell, T(FAULT_REPLY), id, &memd__fault_reply__descriptor);
	uint32_t error = reply->has_error ? reply->error : 0;

	assert_int_equal(reply->page, page);
	if (error == 0) {
		assert_int_equal(reply->segment, mc->segment);
		assert_true(reply->first <= page);
		assert_true(page - reply->first < reply->count);
	}
	memd__fault_reply__free_unpacked(reply, NULL);
	return error;
}

uint32_t mailbox_client_take_error(const struct mailbox_client *mc,
				   unsigned cell, uint64_t id)
{
	Memd__Error *error = mailbox_client_take(mc, cell, T(ERROR), id,
						 &memd__error__descriptor);
	uint32_t code = error->code;

	assert_null(strchr(error->text, '\n'));
	memd__error__free_unpacked(error, NULL);
	return code;
}
