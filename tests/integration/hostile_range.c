/* SPDX-License-Identifier: MIT */
/* Neighbours that fault, and that ask for all of a large range at once. */
#include "tests/integration/hostile_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE_BYTES = 4096,
	HARMLESS_PAGES = 128,
	LIMITED_PAGES = 17,		/* one more than the smallest limit */
};

#define RANGE_BYTES	((uint64_t)HOSTILE_RANGE * PAGE_BYTES)

/* ---- faults */

static void fault_for_ever(struct neighbour *nb, int fd, uint32_t segment,
			   uint64_t pages)
{
	neighbour_begin(nb);
	for (uint64_t i = 0; neighbour_goes_on(nb); i++) {
		client_send_fault(fd, 1, segment, i % pages);
		assert_int_equal(client_receive_fault(fd, 1, i % pages), 0);
		atomic_fetch_add(&nb->work, 1);
	}
	neighbour_end(nb, 0);
	close(fd);
}

void harmless_faults(struct neighbour *nb)
{
	int fd = client_open(nb->memd, false, NULL);
	uint32_t segment;

	close(client_map(fd, HARMLESS_PAGES * PAGE_BYTES, PAGE_BYTES,
			 &segment));
	fault_for_ever(nb, fd, segment, HARMLESS_PAGES);
}

void hostile_smallest_limit(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd;
	Memd__Limit limit = MEMD__LIMIT__INIT;
	Memd__HelloReply *reply;
	uint32_t segment;

	fd = client_open(nb->memd, false, &reply);
	close(client_map(fd, LIMITED_PAGES * PAGE_BYTES, PAGE_BYTES,
			 &segment));
	limit.has_session = limit.has_frames = true;
	limit.session = reply->session;
	limit.frames = 1;
	memd__hello_reply__free_unpacked(reply, NULL);
	client_send(admin, T(LIMIT_SET), 2, &limit.base);
	client_expect_ok(admin, 2);
	close(admin);
	fault_for_ever(nb, fd, segment, LIMITED_PAGES);
}

/* ---- ranges */

/* The bystander's are in it, too. */
static void await_filled(struct neighbour *nb, int admin)
{
	neighbour_await_gauge(nb, admin, "resident_frames", BYSTANDER_PAGES,
			      HOSTILE_RANGE);
}

static void await_emptied(struct neighbour *nb, int admin)
{
	neighbour_await_gauge(nb, admin, "resident_frames", HOSTILE_RANGE,
			      BYSTANDER_PAGES);
}

static void pin_all(int fd, uint32_t segment)
{
	client_send_range(fd, T(PIN), 4, segment, 0, HOSTILE_RANGE);
	client_expect_ok(fd, 4);
}

static void unpin_all(int fd, uint32_t segment, int admin)
{
	client_send_range(fd, T(UNPIN), 5, segment, 0, HOSTILE_RANGE);
	client_expect_ok(fd, 5);
	client_await_counter(admin, "pinned_frames", 0);
}

/* Advice after which no page is there; its turns are looked at. */
static void empty_all(struct neighbour *nb, int fd, uint32_t segment,
		      int admin, Memd__Advice advice)
{
	neighbour_begin(nb);
	client_send_advise(fd, 6, segment, 0, HOSTILE_RANGE, advice);
	await_emptied(nb, admin);
	client_expect_ok(fd, 6);
	neighbour_end(nb, HOSTILE_RANGE);
}

/* A session with a segment of that many pages, and its data file. */
static int open_range(struct neighbour *nb, uint32_t *ret_segment,
		      int *ret_data)
{
	int fd = client_open(nb->memd, false, NULL);

	*ret_data = client_map(fd, RANGE_BYTES, PAGE_BYTES, ret_segment);
	return fd;
}

void hostile_pin(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd, data;
	uint32_t segment;

	fd = open_range(nb, &segment, &data);
	while (neighbour_goes_on(nb)) {
		neighbour_begin(nb);
		client_send_range(fd, T(PIN), 4, segment, 0, HOSTILE_RANGE);
		await_filled(nb, admin);
		client_expect_ok(fd, 4);
		neighbour_end(nb, HOSTILE_RANGE);
		unpin_all(fd, segment, admin);
		client_send_advise(fd, 6, segment, 0, HOSTILE_RANGE,
				   MEMD__ADVICE__ADVICE_DONTNEED);
		client_expect_ok(fd, 6);
	}
}

void hostile_unpin(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd, data;
	uint32_t segment;

	fd = open_range(nb, &segment, &data);
	while (neighbour_goes_on(nb)) {
		pin_all(fd, segment);
		neighbour_begin(nb);
		unpin_all(fd, segment, admin);
		neighbour_end(nb, HOSTILE_RANGE);
	}
}

void hostile_drop(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd, data;
	uint32_t segment;

	fd = open_range(nb, &segment, &data);
	while (neighbour_goes_on(nb)) {
		pin_all(fd, segment);
		unpin_all(fd, segment, admin);
		empty_all(nb, fd, segment, admin,
			  MEMD__ADVICE__ADVICE_DONTNEED);
	}
}

/* Into each page something that is in no other, and was not there before. */
static void write_all(int data, uint64_t seed)
{
	uint8_t *at = mmap(NULL, RANGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, data, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	for (uint64_t i = 0; i < HOSTILE_RANGE; i++)
		*(uint64_t *)(void *)(at + i * PAGE_BYTES) = seed << 32 | i;
	munmap(at, RANGE_BYTES);
}

void hostile_page_out(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd, data;
	uint32_t segment;

	fd = open_range(nb, &segment, &data);
	for (uint64_t round = 1; neighbour_goes_on(nb); round++) {
		pin_all(fd, segment);
		write_all(data, round);
		unpin_all(fd, segment, admin);
		empty_all(nb, fd, segment, admin,
			  MEMD__ADVICE__ADVICE_PAGEOUT);
	}
}

/* ---- segments full of pages that go */

void hostile_go(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd, data;
	uint32_t segment;

	while (neighbour_goes_on(nb)) {
		fd = open_range(nb, &segment, &data);
		close(data);
		pin_all(fd, segment);
		neighbour_begin(nb);
		close(fd);
		await_emptied(nb, admin);
		neighbour_end(nb, HOSTILE_RANGE);
	}
}

static void send_detach(int fd, uint64_t id, uint32_t segment)
{
	Memd__SegmentDetach detach = MEMD__SEGMENT_DETACH__INIT;

	detach.segment = segment;
	client_send(fd, T(SEGMENT_DETACH), id, &detach.base);
}

void hostile_unmap(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd, data;
	uint32_t segment;

	fd = client_open(nb->memd, false, NULL);
	while (neighbour_goes_on(nb)) {
		data = client_map(fd, RANGE_BYTES, PAGE_BYTES, &segment);
		close(data);
		pin_all(fd, segment);
		neighbour_begin(nb);
		send_detach(fd, 7, segment);
		client_expect_ok(fd, 7);
		await_emptied(nb, admin);
		neighbour_end(nb, HOSTILE_RANGE);
	}
}

void hostile_unlink(struct neighbour *nb)
{
	int admin = client_open(nb->memd, true, NULL), fd;
	Memd__SegmentUnlink unlink = MEMD__SEGMENT_UNLINK__INIT;
	uint32_t segment;

	unlink.name = (char *)"hostile";
	fd = client_open(nb->memd, false, NULL);
	while (neighbour_goes_on(nb)) {
		struct answer a;

		client_send_create(fd, 8, unlink.name, RANGE_BYTES, 0600);
		client_receive(fd, T(SEGMENT_REPLY), 8, &a);
		answer_free(&a);
		close(client_attach(fd, unlink.name, false, &segment));
		pin_all(fd, segment);
		send_detach(fd, 7, segment);
		client_expect_ok(fd, 7);
		client_await_counter(admin, "pinned_frames", 0);
		neighbour_begin(nb);
		client_send(fd, T(SEGMENT_UNLINK), 9, &unlink.base);
		client_expect_ok(fd, 9);
		await_emptied(nb, admin);
		neighbour_end(nb, HOSTILE_RANGE);
	}
}
