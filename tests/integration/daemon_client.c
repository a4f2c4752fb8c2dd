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
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

enum { PATIENCE_S = 60, POLLS_MAX = 6000 };

void answer_free(struct answer *a)
{
	free(a->body);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct answer){ .fd = -1 };
}

int client_connect(const struct testmemd *tm)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = testmemd_connect(tm);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
				    sizeof(patience)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
				    sizeof(patience)), 0);
	return fd;
}

static bool try_send_bytes(int fd, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return false;
		assert_true(n > 0);
		at += n;
		length -= (size_t)n;
	}
	return true;
}

void client_send_bytes(int fd, const void *bytes, size_t length)
{
	assert_true(try_send_bytes(fd, bytes, length));
}

bool client_try_send(int fd, uint16_t type, uint64_t id,
		     const ProtobufCMessage *message)
{
	static uint8_t packed[WIRE_BODY_BYTES_MAX + WIRE_HEADER_BYTES];
	ssize_t length = wire_pack(type, id, message, 0, packed,
				   sizeof(packed));

	assert_true(length > 0);
	return try_send_bytes(fd, packed, (size_t)length);
}

void client_send(int fd, uint16_t type, uint64_t id,
		 const ProtobufCMessage *message)
{
	assert_true(client_try_send(fd, type, id, message));
}

/* Fill `to`; a descriptor on the way goes to *ret_fd.  False: the end. */
static bool receive_bytes(int fd, void *to, size_t length, int *ret_fd)
{
	uint8_t *at = to;

	while (length > 0) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { at, length };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		struct cmsghdr *cmsg;
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		assert_true(n > 0);
		cmsg = CMSG_FIRSTHDR(&msg);
		if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS) {
			assert_int_equal(*ret_fd, -1);
			memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(int));
		}
		at += n;
		length -= (size_t)n;
	}
	return true;
}

bool client_try_receive(int fd, struct answer *ret_answer)
{
	uint8_t header[WIRE_HEADER_BYTES];

	*ret_answer = (struct answer){ .fd = -1 };
	if (!receive_bytes(fd, header, sizeof(header), &ret_answer->fd))
		return false;
	assert_int_equal(wire_header_unpack(header, WIRE_REPLY_BYTES_MAX,
					    &ret_answer->header), 0);
	assert_int_equal(ret_answer->header.version_major,
			 WIRE_VERSION_MAJOR);
	assert_int_equal(ret_answer->header.payload_bytes, 0);
	ret_answer->body = malloc(ret_answer->header.body_bytes + 1);
	assert_non_null(ret_answer->body);
	assert_true(receive_bytes(fd, ret_answer->body,
				  ret_answer->header.body_bytes,
				  &ret_answer->fd));
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
	union {
		char bytes[CMSG_SPACE(CLIENT_FDS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control = { .bytes = { 0 } };
	uint8_t packed[WIRE_HEADER_BYTES];
	struct iovec iov = { packed, sizeof(packed) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(count *
							   sizeof(int)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	assert_true(count <= CLIENT_FDS_MAX);
	assert_int_equal(wire_pack(type, 0, NULL, 0, packed, sizeof(packed)),
			 sizeof(packed));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(packed);
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
		     Memd__HelloReply **ret_reply)
{
	Memd__Hello hello = MEMD__HELLO__INIT;
	Memd__HelloReply *reply;
	struct answer a;
	int fd = client_connect(tm);

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.command = "daemon test";
	hello.has_admin_only = true;
	hello.admin_only = is_admin_only;
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
	return say_hello(tm, false, NULL);
}

int client_open(const struct testmemd *tm, bool is_admin_only,
		Memd__HelloReply **ret_reply)
{
	int fd = say_hello(tm, is_admin_only, ret_reply);

	if (!is_admin_only)
		client_hand_over(fd);
	return fd;
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
