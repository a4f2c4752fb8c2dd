/* SPDX-License-Identifier: MIT */
/* Neighbours that ask for little, without end: sessions, pins, segments; or
 * ring the bell for nothing. */
#include "tests/integration/hostile_client.h"
#include "tests/integration/mailbox_client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE_BYTES = 4096,
	NEWCOMERS = 400,		/* sessions at once */
};

/* ---- many messages at once */

enum {
	BUNDLE_MESSAGES = 128,
	BUNDLE_SEGMENTS = 8,		/* each comes with a descriptor */
};

struct bundle {
	uint8_t bytes[HOSTILE_SEGMENTS * 64];
	size_t used;
	unsigned count;
};

static void bundle_add(struct bundle *b, uint16_t type,
		       const ProtobufCMessage *message)
{
	ssize_t length = wire_pack(type, b->count + 1, message, 0,
				   b->bytes + b->used,
				   sizeof(b->bytes) - b->used);

	assert_true(length > 0);
	b->used += (size_t)length;
	b->count++;
}

/* Send all, and wait for an answer to each, whichever it is.  segments: where
 * to put the numbers of those made; NULL: there are none. */
static void bundle_exchange(struct bundle *b, int fd, uint32_t *segments)
{
	client_send_bytes(fd, b->bytes, b->used);
	for (unsigned i = 0; i < b->count;) {
		Memd__SegmentReply *reply;
		struct answer a;

		assert_true(client_try_receive(fd, &a));
		i += a.header.request_id != 0;
		if (segments != NULL) {
			assert_int_equal(a.header.type, T(SEGMENT_REPLY));
			reply = answer_unpack(
				&a, &memd__segment_reply__descriptor);
			segments[a.header.request_id - 1] = reply->segment;
			memd__segment_reply__free_unpacked(reply, NULL);
		}
		answer_free(&a);
	}
	*b = (struct bundle){ .used = 0 };
}

static void *discard_all(void *arg)
{
	static uint8_t bytes[1 << 16];
	const int *fd = arg;

	while (read(*fd, bytes, sizeof(bytes)) > 0)
		;
	return NULL;
}

/* Send the same for ever, as fast as memd takes it. */
static void flood(struct neighbour *nb, const struct bundle *b, int fd)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, discard_all, &fd), 0);
	neighbour_begin(nb);
	while (neighbour_goes_on(nb)) {
		client_send_bytes(fd, b->bytes, b->used);
		atomic_fetch_add(&nb->work, b->count);
	}
	neighbour_end(nb, 0);
	(void)shutdown(fd, SHUT_RDWR);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(fd);
}

/* ---- sessions */

static int begin_session(struct neighbour *nb)
{
	Memd__Hello hello = wire_peer_hello("hostile");
	int fd = client_connect(nb->memd);

	client_send(fd, T(HELLO), 1, &hello.base);
	return fd;
}

static void come_and_go(struct neighbour *nb)
{
	neighbour_begin(nb);
	while (neighbour_goes_on(nb)) {
		int fd[NEWCOMERS];

		for (unsigned i = 0; i < NEWCOMERS; i++)
			fd[i] = begin_session(nb);
		for (unsigned i = 0; i < NEWCOMERS; i++) {
			struct answer a;

			client_receive(fd[i], T(HELLO_REPLY), 1, &a);
			answer_free(&a);
			close(fd[i]);
		}
		atomic_fetch_add(&nb->work, NEWCOMERS);
	}
	neighbour_end(nb, 0);
}

void hostile_sessions(struct neighbour *nb)
{
	come_and_go(nb);
}

void hostile_many_sessions(struct neighbour *nb)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (unsigned i = 0; i < HOSTILE_HELD; i++)
		(void)client_open_bare(nb->memd);
	come_and_go(nb);
}

/* ---- pins */

static void fill_bundle(struct bundle *b, uint16_t type, Memd__Pin *pin,
			unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		pin->first = i;
		bundle_add(b, type, &pin->base);
	}
}

void hostile_pins(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	static struct bundle b;
	Memd__Pin pin = MEMD__PIN__INIT;

	pin.count = 1;
	close(client_map(fd, BUNDLE_MESSAGES * PAGE_BYTES, PAGE_BYTES,
			 &pin.segment));
	fill_bundle(&b, T(PIN), &pin, BUNDLE_MESSAGES / 2);
	fill_bundle(&b, T(UNPIN), &pin, BUNDLE_MESSAGES / 2);
	flood(nb, &b, fd);
}

/* Pins until one is refused. */
static void pin_much(int fd, Memd__Pin *pin)
{
	uint16_t type = T(OK);

	while (type == T(OK)) {
		struct answer a;

		client_send(fd, T(PIN), 4, &pin->base);
		assert_true(client_try_receive(fd, &a));
		type = a.header.type;
		answer_free(&a);
	}
}

void hostile_vain_unpins(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	static struct bundle b;
	Memd__Pin pin = MEMD__PIN__INIT;

	pin.count = 1;
	close(client_map(fd, 2 * BUNDLE_MESSAGES * PAGE_BYTES, PAGE_BYTES,
			 &pin.segment));
	pin_much(fd, &pin);
	pin.count = 2;			/* which no pin has */
	fill_bundle(&b, T(UNPIN), &pin, BUNDLE_MESSAGES);
	flood(nb, &b, fd);
}

/* ---- touches */

/* A segment all of whose pages are there. */
static uint32_t make_resident(int fd, uint64_t pages)
{
	uint32_t segment;

	close(client_map(fd, pages * PAGE_BYTES, PAGE_BYTES, &segment));
	for (uint64_t page = 0; page < pages; page++) {
		client_send_fault(fd, 5, segment, page);
		assert_int_equal(client_receive_fault(fd, 5, page), 0);
	}
	return segment;
}

/* Each of as many pages as memd looks at for one message. */
void hostile_touched(struct neighbour *nb)
{
	enum { PAGES = 4096 };
	int fd = client_open(nb->memd, false, NULL);
	static struct bundle b;
	Memd__Touched touched = MEMD__TOUCHED__INIT;
	Memd__Range range = MEMD__RANGE__INIT, *ranges = &range;

	range.count = PAGES;
	touched.n_range = 1;
	touched.range = &ranges;
	touched.segment = make_resident(fd, PAGES);
	for (unsigned i = 0; i < BUNDLE_MESSAGES; i++)
		bundle_add(&b, T(TOUCHED), &touched.base);
	flood(nb, &b, fd);
}

void hostile_fault_hits(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	static struct bundle b;
	Memd__Fault fault = MEMD__FAULT__INIT;
	uint64_t page[WIRE_FAULTS_MAX];

	for (unsigned i = 0; i < WIRE_FAULTS_MAX; i++)
		page[i] = i;
	fault.n_page = WIRE_FAULTS_MAX;
	fault.page = page;
	fault.segment = make_resident(fd, WIRE_FAULTS_MAX);
	for (unsigned i = 0; i < BUNDLE_MESSAGES / 4; i++)
		bundle_add(&b, T(FAULT), &fault.base);
	flood(nb, &b, fd);
}

/* ---- rings */

static void strike_as_often_as_possible(int bell)
{
	static const uint8_t bytes[4096];
	struct pollfd room = { .fd = bell, .events = POLLOUT };

	if (send(bell, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0) {
		assert_int_equal(errno, EAGAIN);
		(void)poll(&room, 1, 1);
	}
}

/* Its work is what memd has heard of it. */
void hostile_rings(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL);
	struct mailbox_client mc = mailbox_client_open(nb->memd, PAGE_BYTES);
	uint64_t rung = client_counter(admin, "bells_rung");

	neighbour_begin(nb);
	while (neighbour_goes_on(nb))
		strike_as_often_as_possible(mc.bell);
	neighbour_end(nb, client_counter(admin, "bells_rung") - rung);
	mailbox_client_close(&mc);
	close(admin);
}

/* ---- segments */

/* Make them, with names if they are to stay without a session. */
static void make_segments(int fd, uint32_t *segment, bool has_names)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	static struct bundle b;
	char name[32];

	create.length_bytes = PAGE_BYTES;
	create.has_attach = true;
	create.attach = !has_names;
	for (unsigned i = 0; i < HOSTILE_SEGMENTS; i++) {
		snprintf(name, sizeof(name), "hostile %u", i);
		create.name = has_names ? name : NULL;
		bundle_add(&b, T(SEGMENT_CREATE), &create.base);
		if (b.count == BUNDLE_SEGMENTS || i + 1 == HOSTILE_SEGMENTS)
			bundle_exchange(&b, fd, segment + i + 1 - b.count);
	}
}

static void detach_segments(int fd, const uint32_t *segment)
{
	Memd__SegmentDetach detach = MEMD__SEGMENT_DETACH__INIT;
	static struct bundle b;

	for (unsigned i = 0; i < HOSTILE_SEGMENTS; i++) {
		detach.segment = segment[i];
		bundle_add(&b, T(SEGMENT_DETACH), &detach.base);
	}
	bundle_exchange(&b, fd, NULL);
}

void hostile_map_segments(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	static uint32_t segment[HOSTILE_SEGMENTS];

	while (neighbour_goes_on(nb)) {
		neighbour_begin(nb);
		make_segments(fd, segment, false);
		neighbour_end(nb, HOSTILE_SEGMENTS);
		detach_segments(fd, segment);
	}
}

void hostile_unmap_segments(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	static uint32_t segment[HOSTILE_SEGMENTS];

	while (neighbour_goes_on(nb)) {
		make_segments(fd, segment, false);
		neighbour_begin(nb);
		detach_segments(fd, segment);
		neighbour_end(nb, HOSTILE_SEGMENTS);
	}
}

void hostile_go_with_segments(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL);
	uint64_t committed = client_counter(admin, "committed_units");
	static uint32_t segment[HOSTILE_SEGMENTS];

	while (neighbour_goes_on(nb)) {
		int fd = client_open(nb->memd, false, NULL);

		make_segments(fd, segment, false);
		neighbour_begin(nb);
		close(fd);
		neighbour_await_gauge(nb, admin, "committed_units",
				      committed + HOSTILE_SEGMENTS, committed);
		neighbour_end(nb, HOSTILE_SEGMENTS);
	}
}

static void unlink_segments(int fd)
{
	Memd__SegmentUnlink unlink = MEMD__SEGMENT_UNLINK__INIT;
	char name[32];

	unlink.name = name;
	for (unsigned i = 0; i < HOSTILE_SEGMENTS; i++) {
		snprintf(name, sizeof(name), "hostile %u", i);
		client_send(fd, T(SEGMENT_UNLINK), 9, &unlink.base);
		client_expect_ok(fd, 9);
	}
}

void hostile_names(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	Memd__SegmentAttach attach = MEMD__SEGMENT_ATTACH__INIT;
	static uint32_t segment[HOSTILE_SEGMENTS];
	static struct bundle b;

	attach.name = (char *)"hostile to all";
	make_segments(fd, segment, true);
	for (unsigned i = 0; i < BUNDLE_MESSAGES; i++)
		bundle_add(&b, T(SEGMENT_ATTACH), &attach.base);
	flood(nb, &b, fd);
	fd = client_open(nb->memd, false, NULL);
	unlink_segments(fd);
}
