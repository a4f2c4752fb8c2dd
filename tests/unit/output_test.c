/* SPDX-License-Identifier: MIT */
/* Proves that what goes out is what was put in, in order: from the buffer,
 * from elsewhere as far as the socket takes it, and the rest of that later;
 * that bytes which cannot be read are told and no others sent in their place;
 * that who receives descriptors gets any number of them, each with its message,
 * and who does not few; and that the buffer is given back by who does not use
 * it. */
#include "daemon/net/output.h"
#include "proto/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEADER = 100, PAYLOAD = 3 << 20, MESSAGES = 5 };

static uint8_t payload[PAYLOAD];
static uint8_t received[MESSAGES * (HEADER + PAYLOAD)];

struct world {
	struct output out;
	struct channel channel;
	int peer;
	size_t received;
	uint64_t sent, calls;
};

static void world_init(struct world *w)
{
	int fds[2];

	*w = (struct world){ 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
	assert_int_equal(channel_open(&w->channel, fds[0], NULL, NULL), 0);
	w->peer = fds[1];
	output_init(&w->out);
	for (size_t i = 0; i < PAYLOAD; i++)
		payload[i] = (uint8_t)(i * 7 + i / 251);
}

static void world_fini(struct world *w)
{
	output_fini(&w->out);
	channel_close(&w->channel);
	close(w->peer);
}

static void put_header(struct world *w, int fill)
{
	void *to = output_reserve(&w->out, HEADER);

	assert_non_null(to);
	memset(to, fill, HEADER);
	output_commit(&w->out, HEADER);
}

static void put_message(struct world *w, int fill)
{
	put_header(w, fill);
	assert_int_equal(output_send_payload(&w->out, &w->channel, payload,
					     PAYLOAD, &w->sent, &w->calls), 0);
}

/* All that can be had without waiting. */
static void receive(struct world *w)
{
	ssize_t n;

	while ((n = recv(w->peer, received + w->received,
			 sizeof(received) - w->received, MSG_DONTWAIT)) > 0)
		w->received += (size_t)n;
}

static void drain(struct world *w)
{
	while (output_length(&w->out) > 0) {
		receive(w);
		assert_int_equal(output_send_channel(&w->out, &w->channel,
						     &w->sent, &w->calls), 0);
	}
	receive(w);
}

static void check_message(size_t number, int fill)
{
	const uint8_t *at = received + number * (HEADER + PAYLOAD);

	for (size_t i = 0; i < HEADER; i++)
		assert_int_equal(at[i], fill);
	assert_memory_equal(at + HEADER, payload, PAYLOAD);
}

/* The socket takes some of the first and nothing of the others. */
static void what_is_not_taken_comes_later(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int i = 0; i < MESSAGES; i++)
		put_message(&w, i + 1);
	assert_true(output_length(&w.out) > 0);
	drain(&w);
	assert_int_equal(w.received, sizeof(received));
	assert_int_equal(w.sent, sizeof(received));
	for (int i = 0; i < MESSAGES; i++)
		check_message((size_t)i, i + 1);
	world_fini(&w);
}

/* The peer reads between them: each goes out from another place. */
static void some_at_a_time(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int i = 0; i < MESSAGES; i++) {
		put_message(&w, i + 1);
		receive(&w);
		assert_int_equal(output_send_channel(&w.out, &w.channel,
						     &w.sent, &w.calls), 0);
		receive(&w);
	}
	drain(&w);
	assert_int_equal(w.received, sizeof(received));
	for (int i = 0; i < MESSAGES; i++)
		check_message((size_t)i, i + 1);
	world_fini(&w);
}

static void what_fits_is_not_copied(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	put_header(&w, 1);
	assert_int_equal(output_send_payload(&w.out, &w.channel, payload, 5000,
					     &w.sent, &w.calls), 0);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.sent, HEADER + 5000);
	assert_int_equal(output_length(&w.out), 0);
	assert_true(w.out.size < 5000);
	receive(&w);
	assert_memory_equal(received + HEADER, payload, 5000);
	world_fini(&w);
}

static void a_peer_that_is_gone_is_told(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	shutdown(w.peer, SHUT_RDWR);
	put_header(&w, 1);
	assert_true(output_send_payload(&w.out, &w.channel, payload, PAYLOAD,
					&w.sent, &w.calls) < 0);
	world_fini(&w);
}

enum { PAGE = 4096, BAD_PAGES = 16, BAD_PAGE = 11 };

/* Pages that can be read, but for one that is behind the end of a file: to
 * touch it is SIGBUS, as it is where memory has failed. */
static uint8_t *map_bad_pages(void)
{
	uint8_t *at = mmap(NULL, BAD_PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("empty", MFD_CLOEXEC);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_true(fd >= 0);
	memcpy(at, payload, BAD_PAGES * PAGE);
	assert_ptr_equal(mmap(at + BAD_PAGE * PAGE, PAGE, PROT_READ,
			      MAP_SHARED | MAP_FIXED, fd, 0),
			 at + BAD_PAGE * PAGE);
	close(fd);
	return at;
}

static void what_cannot_be_read_is_told(void **state)
{
	struct world w;
	uint8_t *bad;

	(void)state;
	world_init(&w);
	bad = map_bad_pages();
	put_header(&w, 1);
	assert_int_equal(output_send_payload(&w.out, &w.channel, bad,
					     BAD_PAGES * PAGE, &w.sent,
					     &w.calls), -EFAULT);
	receive(&w);
	assert_true(w.received <= HEADER + BAD_PAGE * PAGE);
	if (w.received > HEADER)
		assert_memory_equal(received + HEADER, payload,
				    w.received - HEADER);
	munmap(bad, BAD_PAGES * PAGE);
	world_fini(&w);
}

/* To the byte: its neighbours are good. */
static void what_can_be_read_is_known(void **state)
{
	struct world w;
	uint8_t *bad;

	(void)state;
	world_init(&w);
	bad = map_bad_pages();
	assert_true(output_can_read(payload, PAYLOAD));
	assert_true(output_can_read(bad, BAD_PAGE * PAGE));
	assert_true(output_can_read(bad + PAGE - 1, 2));
	assert_true(output_can_read(bad + BAD_PAGE * PAGE - 1, 1));
	assert_true(output_can_read(bad + (BAD_PAGE + 1) * PAGE,
				    (BAD_PAGES - BAD_PAGE - 1) * PAGE));
	assert_false(output_can_read(bad, BAD_PAGES * PAGE));
	assert_false(output_can_read(bad + BAD_PAGE * PAGE - 1, 2));
	assert_false(output_can_read(bad + BAD_PAGE * PAGE, 1));
	assert_false(output_can_read(bad + (BAD_PAGE + 1) * PAGE - 1, 2));
	munmap(bad, BAD_PAGES * PAGE);
	world_fini(&w);
}

/* ---- descriptors */

enum { FD_BYTES = 40 };		/* that one travels with */

static void put_bytes(struct world *w)
{
	void *to = output_reserve(&w->out, FD_BYTES);

	assert_non_null(to);
	memset(to, 1, FD_BYTES);
	output_commit(&w->out, FD_BYTES);
}

static void send_all(struct world *w)
{
	assert_int_equal(output_send(&w->out, w->channel.fd, &w->sent,
				     &w->calls), 0);
	assert_int_equal(output_length(&w->out), 0);
}

static int attach(struct world *w, int fd)
{
	return output_attach_fd(&w->out, w->channel.fd, fd);
}

/* 0, or what output_attach_fd() says. */
static int send_fd(struct world *w)
{
	int err = attach(w, STDERR_FILENO);

	if (err == 0) {
		put_bytes(w);
		send_all(w);
	}
	return err;
}

/* The next bytes, and all that came with them.  Returns how many. */
static size_t receive_fds(const struct world *w, int fds[OUTPUT_FDS_TOGETHER])
{
	union {
		char bytes[CMSG_SPACE(OUTPUT_FDS_TOGETHER * sizeof(int))];
		struct cmsghdr aligned;
	} control;
	char bytes[FD_BYTES];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	size_t size;

	assert_int_equal(recvmsg(w->peer, &msg, 0), FD_BYTES);
	c = CMSG_FIRSTHDR(&msg);
	if (c == NULL)
		return 0;
	size = c->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(c), size);
	return size / sizeof(int);
}

static void receive_fd(const struct world *w)
{
	int fds[OUTPUT_FDS_TOGETHER];

	assert_int_equal(receive_fds(w, fds), 1);
	close(fds[0]);
}

/* The last message is always still under way. */
static void who_receives_gets_any_number(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(send_fd(&w), 0);
	for (unsigned i = 0; i < 10 * OUTPUT_FDS_MAX; i++) {
		assert_int_equal(send_fd(&w), 0);
		receive_fd(&w);
	}
	world_fini(&w);
}

/* What has none counts for nothing, however much of it waits. */
static void others_do_not_count(void **state)
{
	int bytes = 200000;	/* the kernel makes it twice that */
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(setsockopt(w.channel.fd, SOL_SOCKET, SO_SNDBUF,
				    &bytes, sizeof(bytes)), 0);
	for (unsigned i = 0; i < OUTPUT_FDS_MAX; i++) {
		assert_int_equal(send_fd(&w), 0);
		receive_fd(&w);
	}
	for (unsigned i = 0; i < OUTPUT_FDS_MAX; i++) {
		put_bytes(&w);
		send_all(&w);
	}
	for (unsigned i = 0; i < OUTPUT_FDS_MAX / 2; i++)
		assert_int_equal(send_fd(&w), 0);
	world_fini(&w);
}

/* All of them may be asked for before the first one is sent. */
static void they_may_go_together(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < OUTPUT_FDS_MAX; i++) {
			assert_int_equal(attach(&w, STDERR_FILENO), 0);
			put_bytes(&w);
		}
		assert_int_equal(attach(&w, STDERR_FILENO), -EAGAIN);
		send_all(&w);
		for (unsigned i = 0; i < OUTPUT_FDS_MAX; i++)
			receive_fd(&w);
	}
	world_fini(&w);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* In order, and none with the bytes of another message. */
static void two_come_with_one_message(void **state)
{
	int sent[OUTPUT_FDS_TOGETHER], came[OUTPUT_FDS_TOGETHER];
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(pipe(sent), 0);
	for (unsigned round = 0; round < OUTPUT_FDS_MAX; round++) {
		put_bytes(&w);
		assert_int_equal(attach(&w, sent[0]), 0);
		assert_int_equal(attach(&w, w.peer), 0);
		put_bytes(&w);
		assert_int_equal(attach(&w, sent[1]), 0);
		put_bytes(&w);
		send_all(&w);
		assert_int_equal(receive_fds(&w, came), 0);
		assert_int_equal(receive_fds(&w, came), 2);
		assert_int_equal(inode_of(came[0]), inode_of(sent[0]));
		assert_int_equal(inode_of(came[1]), inode_of(w.peer));
		close(came[0]);
		close(came[1]);
		receive_fd(&w);
	}
	close(sent[0]);
	close(sent[1]);
	world_fini(&w);
}

static void who_does_not_receive_gets_no_more(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (unsigned i = 0; i < OUTPUT_FDS_MAX; i++)
		assert_int_equal(send_fd(&w), 0);
	assert_int_equal(send_fd(&w), -EAGAIN);
	assert_int_equal(send_fd(&w), -EAGAIN);
	for (unsigned i = 0; i < OUTPUT_FDS_MAX / 2; i++)
		receive_fd(&w);
	assert_int_equal(send_fd(&w), 0);
	world_fini(&w);
}

static void unused_memory_is_given_back(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	put_message(&w, 1);
	output_trim(&w.out);
	output_trim(&w.out);
	assert_true(w.out.size >= output_length(&w.out));
	assert_true(output_length(&w.out) > 0);
	drain(&w);
	check_message(0, 1);
	put_header(&w, 2);
	drain(&w);
	output_trim(&w.out);
	assert_true(w.out.size > 1 << 20);
	output_trim(&w.out);
	assert_int_equal(w.out.size, 0);
	put_message(&w, 3);
	drain(&w);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_taken_comes_later),
		cmocka_unit_test(some_at_a_time),
		cmocka_unit_test(what_fits_is_not_copied),
		cmocka_unit_test(a_peer_that_is_gone_is_told),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(what_can_be_read_is_known),
		cmocka_unit_test(who_receives_gets_any_number),
		cmocka_unit_test(others_do_not_count),
		cmocka_unit_test(they_may_go_together),
		cmocka_unit_test(two_come_with_one_message),
		cmocka_unit_test(who_does_not_receive_gets_no_more),
		cmocka_unit_test(unused_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
