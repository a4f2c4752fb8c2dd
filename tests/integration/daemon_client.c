/* SPDX-License-Identifier: MIT */
#include "tests/integration/daemon_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

enum { POLLS_MAX = 6000 };

int client_connect(const struct testmemd *tm)
{
	int fd = testmemd_connect(tm);

	assert_true(fd >= 0);
	assert_int_equal(wire_peer_limit_waits(fd), 0);
	return fd;
}

void client_send_bytes(int fd, const void *bytes, size_t length)
{
	assert_int_equal(wire_peer_send_bytes(fd, bytes, length), 0);
}

bool client_try_send(int fd, uint16_t type, uint64_t id,
		     const ProtobufCMessage *message)
{
	int err = wire_peer_send(fd, type, id, message);

	assert_true(err == 0 || err == -EPIPE || err == -ECONNRESET);
	return err == 0;
}

void client_send(int fd, uint16_t type, uint64_t id,
		 const ProtobufCMessage *message)
{
	assert_true(client_try_send(fd, type, id, message));
}

bool client_try_receive(int fd, struct answer *ret_answer)
{
	int err = wire_peer_receive(fd, ret_answer);

	assert_true(err == 0 || err == -ECONNRESET);
	if (err != 0)
		return false;
	assert_int_equal(ret_answer->header.version_major,
			 WIRE_VERSION_MAJOR);
	assert_int_equal(ret_answer->header.payload_bytes, 0);
	return true;
}

void *answer_unpack(const struct answer *a,
		    const ProtobufCMessageDescriptor *descriptor)
{
	void *message = protobuf_c_message_unpack(descriptor, NULL,
						  a->header.body_bytes,
						  a->body);

	assert_non_null(message);
	return message;
}

static void show_error(const struct answer *a)
{
	Memd__Error *error = answer_unpack(a, &memd__error__descriptor);

	print_message("memd says: %u %s\n", error->code, error->text);
	memd__error__free_unpacked(error, NULL);
}

void client_receive(int fd, uint16_t type, uint64_t id,
		    struct answer *ret_answer)
{
	for (;;) {
		assert_true(client_try_receive(fd, ret_answer));
		if (ret_answer->header.request_id != 0 || id == 0)
			break;
		answer_free(ret_answer);
	}
	if (ret_answer->header.type == T(ERROR) && type != T(ERROR))
		show_error(ret_answer);
	assert_int_equal(ret_answer->header.type, type);
	assert_int_equal(ret_answer->header.request_id, id);
}

void client_expect_ok(int fd, uint64_t id)
{
	struct answer a;

	client_receive(fd, T(OK), id, &a);
	answer_free(&a);
}

void client_expect_error(int fd, uint64_t id, int code, const char *part)
{
	struct answer a;
	Memd__Error *error;

	client_receive(fd, T(ERROR), id, &a);
	error = answer_unpack(&a, &memd__error__descriptor);
	if (error->code != (uint32_t)code ||
	    (part != NULL && strstr(error->text, part) == NULL))
		fail_msg("expected %d \"%s\", got %u \"%s\"", code,
			 part != NULL ? part : "", error->code, error->text);
	assert_null(strchr(error->text, '\n'));
	memd__error__free_unpacked(error, NULL);
	answer_free(&a);
}

void client_expect_end(int fd)
{
	struct answer a;

	if (client_try_receive(fd, &a))
		fail_msg("expected the end, got %s",
			 wire_type_name(a.header.type));
}

bool client_try_send_fds(int fd, uint16_t type, const int *fds, unsigned count)
{
	uint8_t packed[WIRE_HEADER_BYTES];

	assert_int_equal(wire_pack(type, 0, NULL, 0, packed, sizeof(packed)),
			 sizeof(packed));
	return wire_peer_send_fds(fd, packed, sizeof(packed), fds, count) == 0;
}

void client_hand_over(int fd)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
				UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };

	assert_true(uffd >= 0);
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	assert_true(client_try_send_fds(fd, T(USERFAULTFD), &uffd, 1));
	close(uffd);
}

static int say_hello(const struct testmemd *tm, bool is_admin_only,
		     uint64_t capabilities, Memd__HelloReply **ret_reply)
{
	Memd__Hello hello = wire_peer_hello("daemon test");
	Memd__HelloReply *reply;
	struct answer a;
	int fd = client_connect(tm);

	hello.has_admin_only = true;
	hello.admin_only = is_admin_only;
	hello.has_capabilities = true;
	hello.capabilities = capabilities;
	client_send(fd, T(HELLO), 1, &hello.base);
	client_receive(fd, T(HELLO_REPLY), 1, &a);
	reply = answer_unpack(&a, &memd__hello_reply__descriptor);
	answer_free(&a);
	if (ret_reply != NULL)
		*ret_reply = reply;
	else
		memd__hello_reply__free_unpacked(reply, NULL);
	return fd;
}

int client_open_bare(const struct testmemd *tm)
{
	return say_hello(tm, false, 0, NULL);
}

int client_open_with(const struct testmemd *tm, uint64_t capabilities,
		     Memd__HelloReply **ret_reply)
{
	int fd = say_hello(tm, false, capabilities, ret_reply);

	client_hand_over(fd);
	return fd;
}

int client_open(const struct testmemd *tm, bool is_admin_only,
		Memd__HelloReply **ret_reply)
{
	return is_admin_only ? say_hello(tm, true, 0, ret_reply) :
			       client_open_with(tm, 0, ret_reply);
}

/* The SegmentReply to `id`; returns its descriptor. */
static int receive_segment(int fd, uint64_t id, uint32_t *ret_segment)
{
	Memd__SegmentReply *reply;
	struct answer a;
	int data;

	client_receive(fd, T(SEGMENT_REPLY), id, &a);
	reply = answer_unpack(&a, &memd__segment_reply__descriptor);
	*ret_segment = reply->segment;
	data = a.fd;
	a.fd = -1;
	memd__segment_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return data;
}

int client_map(int fd, uint64_t length, uint32_t page_bytes,
	       uint32_t *ret_segment)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	int data;

	create.length_bytes = length;
	create.has_page_bytes = true;
	create.page_bytes = page_bytes;
	create.has_attach = true;
	create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	data = receive_segment(fd, 2, ret_segment);
	assert_true(data >= 0);
	return data;
}

void client_send_create(int fd, uint64_t id, const char *name,
			uint64_t length, uint32_t mode)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

	create.length_bytes = length;
	create.name = (char *)name;
	create.has_mode = true;
	create.mode = mode;
	client_send(fd, T(SEGMENT_CREATE), id, &create.base);
}

int client_attach(int fd, const char *name, bool is_read_only,
		  uint32_t *ret_segment)
{
	Memd__SegmentAttach attach = MEMD__SEGMENT_ATTACH__INIT;
	int data;

	attach.name = (char *)name;
	attach.has_read_only = true;
	attach.read_only = is_read_only;
	client_send(fd, T(SEGMENT_ATTACH), 3, &attach.base);
	data = receive_segment(fd, 3, ret_segment);
	assert_true(data >= 0);
	return data;
}

void client_send_range(int fd, uint16_t type, uint64_t id, uint32_t segment,
		       uint64_t first, uint64_t count)
{
	Memd__Pin pin = MEMD__PIN__INIT;

	pin.segment = segment;
	pin.first = first;
	pin.count = count;
	client_send(fd, type, id, &pin.base);
}

void client_send_advise(int fd, uint64_t id, uint32_t segment, uint64_t first,
			uint64_t count, Memd__Advice advice)
{
	Memd__Advise advise = MEMD__ADVISE__INIT;

	advise.segment = segment;
	advise.first = first;
	advise.count = count;
	advise.advice = advice;
	client_send(fd, T(ADVISE), id, &advise.base);
}

void client_send_fault(int fd, uint64_t id, uint32_t segment, uint64_t page)
{
	Memd__Fault fault = MEMD__FAULT__INIT;

	fault.segment = segment;
	fault.n_page = 1;
	fault.page = &page;
	client_send(fd, T(FAULT), id, &fault.base);
}

uint32_t client_receive_fault(int fd, uint64_t id, uint64_t page)
{
	Memd__FaultReply *reply;
	struct answer a;
	uint32_t error;

	client_receive(fd, T(FAULT_REPLY), id, &a);
	reply = answer_unpack(&a, &memd__fault_reply__descriptor);
	assert_int_equal(reply->page, page);
	error = reply->has_error ? reply->error : 0;
	if (error == 0) {
		assert_true(reply->first <= page);
		assert_true(page - reply->first < reply->count);
	}
	memd__fault_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return error;
}

/* Who asks for one by its name must get that one. */
static void check_names(const Memd__CountersReply *reply)
{
	for (size_t i = 0; i < reply->n_counter; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(reply->counter[i]->name,
						reply->counter[j]->name);
}

uint64_t client_counter(int admin, const char *name)
{
	Memd__CountersReply *reply;
	struct answer a;
	uint64_t value = UINT64_MAX;

	client_send(admin, T(COUNTERS), 9, NULL);
	client_receive(admin, T(COUNTERS_REPLY), 9, &a);
	reply = answer_unpack(&a, &memd__counters_reply__descriptor);
	check_names(reply);
	for (size_t i = 0; i < reply->n_counter; i++)
		if (strcmp(reply->counter[i]->name, name) == 0)
			value = reply->counter[i]->value;
	memd__counters_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	assert_int_not_equal(value, UINT64_MAX);
	return value;
}

void client_await_counter(int admin, const char *name, uint64_t value)
{
	for (int i = 0; i < POLLS_MAX; i++) {
		if (client_counter(admin, name) == value)
			return;
		poll(NULL, 0, 10);
	}
	fail_msg("%s is %llu, not %llu", name,
		 (unsigned long long)client_counter(admin, name),
		 (unsigned long long)value);
}
