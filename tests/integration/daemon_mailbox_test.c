/* SPDX-License-Identifier: MIT */
/* Proves, through the protocol alone, what proto/mailbox.h says of the daemon:
 * a session gets one sealed mailbox; what is asked in a cell is answered in
 * it, after a Ring; a sleeping thread and a sleeping library are woken; what
 * may not be asked there, or is no message at all, is refused in its cell and
 * harms nobody. */
#include "tests/integration/mailbox_client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, PAGES = MIB / 4096, ROUNDS = 60000 };

static struct testmemd memd;
static int admin = -1;

static bool has_page(const struct mailbox_client *mc, uint64_t page)
{
	off_t at = (off_t)page * 4096;

	return lseek(mc->data, at, SEEK_DATA) == at;
}

static void expect_nothing_left(void)
{
	client_await_counter(admin, "mailboxes", 0);
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "faults_waiting", 0);
	client_await_counter(admin, "free_frames",
			     client_counter(admin, "frame_count"));
	client_await_counter(admin, "free_slots",
			     client_counter(admin, "slot_count"));
}

/* ---- getting one */

static void there_is_one_and_it_is_sealed(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	struct answer a;

	(void)state;
	assert_true(mc.hello->capabilities & MEMD__CAPABILITY__CAP_MAILBOX);
	assert_int_equal(client_counter(admin, "mailboxes"), 1);
	assert_int_equal(lseek(mc.file, 0, SEEK_END), sizeof(struct mailbox));
	assert_int_equal(ftruncate(mc.file, 4096), -1);
	assert_int_equal(ftruncate(mc.file, MIB), -1);
	client_send(mc.fd, T(MAILBOX), 7, NULL);
	client_expect_error(mc.fd, 7, EEXIST, "has a mailbox");
	/* The first one is as good as before. */
	mailbox_client_ask_page(&mc, 0, 8, 3);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_take_page(&mc, 0, 8, 3), 0);
	assert_int_equal(fcntl(mc.file, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_in_range(atomic_load(&mc.box->daemon_cpu), 1,
			(uint64_t)sysconf(_SC_NPROCESSORS_CONF));
	/* Not to be had without a request id. */
	client_send(mc.fd, T(MAILBOX), 0, NULL);
	client_receive(mc.fd, T(ERROR), 0, &a);
	answer_free(&a);
	client_expect_end(mc.fd);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

static void it_can_be_switched_off(void **state)
{
	static const char *const flags[] = { "--mailbox=no", "--store=mem",
					     NULL };
	struct testmemd other;
	Memd__HelloReply *hello;
	uint32_t segment;
	int fd, data;

	(void)state;
	assert_int_equal(testmemd_start(&other, flags), 0);
	fd = client_open(&other, false, &hello);
	assert_false(hello->capabilities & MEMD__CAPABILITY__CAP_MAILBOX);
	memd__hello_reply__free_unpacked(hello, NULL);
	client_send(fd, T(MAILBOX), 7, NULL);
	client_expect_error(fd, 7, EOPNOTSUPP, "mailbox = no");
	/* A Ring for nothing is no offence, and the socket serves. */
	client_send(fd, T(RING), 0, NULL);
	data = client_map(fd, MIB, 4096, &segment);
	client_send_fault(fd, 8, segment, 1);
	assert_int_equal(client_receive_fault(fd, 8, 1), 0);
	close(data);
	close(fd);
	assert_int_equal(testmemd_stop(&other), 0);
}

/* ---- asking */

static void cells_are_answered_where_they_are(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	uint64_t requests = client_counter(admin, "mailbox_requests");

	(void)state;
	for (unsigned i = 0; i < MAILBOX_CELLS; i++)
		mailbox_client_ask_page(&mc, i, 100 + i, PAGES - 1 - i);
	mailbox_client_ring(&mc);
	for (unsigned i = 0; i < MAILBOX_CELLS; i++) {
		assert_int_equal(mailbox_client_take_page(&mc, i, 100 + i,
							  PAGES - 1 - i), 0);
		assert_true(has_page(&mc, PAGES - 1 - i));
	}
	assert_int_equal(client_counter(admin, "mailbox_requests"),
			 requests + MAILBOX_CELLS);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

/* The very next message. */
static void expect_next(int fd, uint16_t type)
{
	struct answer a;

	assert_true(client_try_receive(fd, &a));
	assert_int_equal(a.header.type, type);
	answer_free(&a);
}

static void a_sleeping_library_is_rung(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);

	(void)state;
	atomic_store(&mc.box->cell[5].is_library, 1);
	atomic_store(&mc.box->library_sleeps, 1);
	mailbox_client_ask_page(&mc, 5, 11, 7);
	mailbox_client_ring(&mc);
	expect_next(mc.fd, T(RING));
	assert_int_equal(atomic_load(&mc.box->answered), UINT64_C(1) << 5);
	assert_int_equal(atomic_load(&mc.box->library_sleeps), 0);
	assert_int_equal(mailbox_client_take_page(&mc, 5, 11, 7), 0);
	/* Awake, it is not: the next message is another one. */
	mailbox_client_ask_page(&mc, 5, 12, 8);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_take_page(&mc, 5, 12, 8), 0);
	client_send(mc.fd, T(SESSION_STATS), 13, NULL);
	expect_next(mc.fd, T(SESSION_STATS_REPLY));
	mailbox_client_close(&mc);
	expect_nothing_left();
}

/* With ANSWERED a cell is its taker's; memd must not look at it again to find
 * out whose it was.  The library's thread may have it by then. */
static void an_answered_cell_is_let_go(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	struct mailbox_cell *cell = &mc.box->cell[0];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_store(&cell->is_library, 0);
		mailbox_client_ask_page(&mc, 0, i + 1, i % PAGES);
		if (atomic_exchange(&mc.box->daemon_sleeps, 0) != 0)
			mailbox_client_ring(&mc);
		while (atomic_load(&cell->state) != CELL_ANSWERED)
			;
		atomic_store(&cell->is_library, 1);
	}
	/* One that comes after all of them has been answered, too. */
	mailbox_client_ask_page(&mc, 1, 5, 5);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_take_page(&mc, 1, 5, 5), 0);
	assert_int_equal(atomic_load(&mc.box->answered), 0);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

static void what_has_no_answer_frees_its_cell(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	uint64_t before = client_counter(admin, "minor_reported");
	Memd__Touched touched = MEMD__TOUCHED__INIT;
	Memd__Range range = MEMD__RANGE__INIT, *ranges = &range;

	(void)state;
	mailbox_client_ask_page(&mc, 0, 1, 9);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_take_page(&mc, 0, 1, 9), 0);
	touched.segment = mc.segment;
	touched.n_range = 1;
	touched.range = &ranges;
	range.first = 9;
	range.count = 1;
	mailbox_client_ask(&mc, 2, T(TOUCHED), 0, &touched.base);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_await(&mc, 2), CELL_FREE);
	assert_int_equal(client_counter(admin, "minor_reported"), before + 1);
	/* Who waited for it has gone before it was looked at. */
	mailbox_client_ask_page(&mc, 3, 2, 9);
	atomic_store(&mc.box->cell[3].state, CELL_LEFT);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_await(&mc, 3), CELL_FREE);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

/* ---- what may not be there */

static void expect_refused(const struct mailbox_client *mc,
			   const struct wire_header *h, size_t count,
			   uint32_t frame_bytes, uint64_t id)
{
	uint8_t frame[MAILBOX_FRAME_BYTES] = { 0 };

	wire_header_pack(h, frame);
	mailbox_client_put(mc, 7, frame, count, frame_bytes);
	mailbox_client_ring(mc);
	assert_int_equal(mailbox_client_take_error(mc, 7, id), EPROTO);
	mailbox_client_ask_page(mc, 8, 1, 1);
	mailbox_client_ring(mc);
	assert_int_equal(mailbox_client_take_page(mc, 8, 1, 1), 0);
}

static void wrong_types_are_refused(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);

	(void)state;
	for (uint16_t type = 0; type < 100; type++) {
		struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
					 .type = type, .request_id = 77 };

		/* Their bodies lack what is required. */
		expect_refused(&mc, &h, WIRE_HEADER_BYTES, WIRE_HEADER_BYTES,
			       77);
	}
	mailbox_client_close(&mc);
	expect_nothing_left();
}

static void wrong_lengths_are_refused(void **state)
{
	static const uint32_t lengths[] = { 0, 1, WIRE_HEADER_BYTES - 1,
		MAILBOX_FRAME_BYTES + 1, MAILBOX_CELL_BYTES, 1 << 20,
		INT32_MAX, UINT32_MAX };
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(FAULT), .request_id = 78 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		expect_refused(&mc, &h, WIRE_HEADER_BYTES, lengths[i], 0);
	/* Bodies that go on behind the frame, and behind the cell. */
	h.body_bytes = MAILBOX_FRAME_BYTES - WIRE_HEADER_BYTES + 1;
	expect_refused(&mc, &h, MAILBOX_FRAME_BYTES, MAILBOX_FRAME_BYTES, 0);
	h.body_bytes = UINT32_MAX;
	expect_refused(&mc, &h, MAILBOX_FRAME_BYTES, MAILBOX_FRAME_BYTES, 0);
	h.body_bytes = 1;
	expect_refused(&mc, &h, WIRE_HEADER_BYTES, WIRE_HEADER_BYTES, 0);
	h.body_bytes = 0;
	h.payload_bytes = 4096;
	expect_refused(&mc, &h, WIRE_HEADER_BYTES, WIRE_HEADER_BYTES, 78);
	h.payload_bytes = 0;
	h.version_major = WIRE_VERSION_MAJOR + 1;
	expect_refused(&mc, &h, WIRE_HEADER_BYTES, WIRE_HEADER_BYTES, 78);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

static void wrong_faults_are_refused(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	uint64_t pages[2] = { 1, 2 };
	Memd__Fault fault = MEMD__FAULT__INIT;
	Memd__FaultReply *reply;

	(void)state;
	fault.segment = mc.segment;
	fault.page = pages;
	for (size_t n = 0; n <= 2; n += 2) {
		fault.n_page = n;
		mailbox_client_ask(&mc, 0, T(FAULT), 5, &fault.base);
		mailbox_client_ring(&mc);
		assert_int_equal(mailbox_client_take_error(&mc, 0, 5), EPROTO);
	}
	mailbox_client_ask_page(&mc, 0, 6, PAGES);
	mailbox_client_ask_page(&mc, 1, 7, UINT64_MAX);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_take_page(&mc, 0, 6, PAGES), EFAULT);
	assert_int_equal(mailbox_client_take_page(&mc, 1, 7, UINT64_MAX),
			 EFAULT);
	fault.segment = mc.segment + 1;
	fault.n_page = 1;
	mailbox_client_ask(&mc, 0, T(FAULT), 8, &fault.base);
	mailbox_client_ring(&mc);
	reply = mailbox_client_take(&mc, 0, T(FAULT_REPLY), 8,
				    &memd__fault_reply__descriptor);
	assert_int_equal(reply->error, EFAULT);
	memd__fault_reply__free_unpacked(reply, NULL);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

static int punch_all(const struct mailbox_client *mc)
{
	return fallocate(mc->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 0, sizeof(struct mailbox));
}

/* Where the kernel had nothing to fill them with, they would end memd. */
static void no_holes_are_left(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);
	struct stat before, st;

	(void)state;
	assert_int_equal(fstat(mc.file, &before), 0);
	assert_int_equal(punch_all(&mc), 0);
	assert_int_equal(fstat(mc.file, &st), 0);
	assert_true(st.st_blocks < before.st_blocks);
	mailbox_client_ask_page(&mc, 7, 1, 5);
	mailbox_client_ring(&mc);
	assert_int_equal(mailbox_client_take_page(&mc, 7, 1, 5), 0);
	assert_int_equal(fstat(mc.file, &st), 0);
	assert_int_equal(st.st_blocks, before.st_blocks);
	assert_int_equal(punch_all(&mc), -1);
	assert_int_equal(madvise(mc.box, sizeof(*mc.box), MADV_REMOVE), -1);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

/* A client that keeps memd from sealing its mailbox loses its session. */
static void it_must_be_sealed(void **state)
{
	struct mailbox_client mc = mailbox_client_open(&memd, MIB);

	(void)state;
	assert_int_equal(fcntl(mc.file, F_ADD_SEALS, F_SEAL_SEAL), 0);
	mailbox_client_ask_page(&mc, 7, 1, 5);
	mailbox_client_ring(&mc);
	client_expect_end(mc.fd);
	assert_int_equal(atomic_load(&mc.box->cell[7].state), CELL_ASKED);
	mailbox_client_close(&mc);
	expect_nothing_left();
}

static int begin(void **state)
{
	static const char *const flags[] = { "--store=mem", NULL };

	(void)state;
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(admin);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_one_and_it_is_sealed),
		cmocka_unit_test(it_can_be_switched_off),
		cmocka_unit_test(cells_are_answered_where_they_are),
		cmocka_unit_test(a_sleeping_library_is_rung),
		cmocka_unit_test(an_answered_cell_is_let_go),
		cmocka_unit_test(what_has_no_answer_frees_its_cell),
		cmocka_unit_test(wrong_types_are_refused),
		cmocka_unit_test(wrong_lengths_are_refused),
		cmocka_unit_test(wrong_faults_are_refused),
		cmocka_unit_test(no_holes_are_left),
		cmocka_unit_test(it_must_be_sealed),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
