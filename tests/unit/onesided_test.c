/* SPDX-License-Identifier: MIT */
/* Proves what client/fault/onesided.h says of one fault (F1 ... F5), with a
 * kernel and a swap file that do as they are told: which steps each way takes,
 * and that after each way no intent is open, the credit's cell says what became
 * of it, and memd is rung for once when few credits are left.  What threads do
 * to each other is for tests/sim. */
#include "client/fault/onesided.h"

#include "common/clock.h"
#include "proto/checksum.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SEGMENT = 7, PAGE = 33, SLOT = 1234, GENERATION = 5, HINT = 9 };
enum { SERIAL = 77 };

/* ---- what the kernel and the swap file do */

static struct desk *desk;
static uint8_t *staging;
static struct book_entry entry, book_end;
static uint8_t content[ONESIDED_PAGE_BYTES];	/* of the slot */

static struct {
	int read_error, install_error, map_error;
	unsigned reads, installs, maps, rings;
} fake;

static unsigned count_intents(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < DESK_INTENTS; i++)
		count += atomic_load(&desk->intent[i].word) != 0;
	return count;
}

static unsigned count_cells(enum credit_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < DESK_CREDITS; i++)
		count += credit_state_of(atomic_load(
			&desk->credit[i].word)) == state;
	return count;
}

static void expect_intent(const struct onesided *o)
{
	assert_int_equal(atomic_load(&desk->intent[o->intent].word),
			 intent_word(SEGMENT, PAGE));
	assert_true(atomic_load(&desk->open) >= 1);
}

static void expect_taken(const struct onesided *o)
{
	assert_non_null(o->credit);
	assert_int_equal(atomic_load(&o->credit->word),
			 credit_word(CREDIT_TAKEN, PAGE));
	assert_int_equal(atomic_load(&o->credit->segment), SEGMENT);
}

static int fake_read(void *ctx, uint32_t slot, void *buffer)
{
	const struct onesided *o = ctx;

	fake.reads++;
	expect_intent(o);
	expect_taken(o);
	assert_int_equal(slot, SLOT);
	/* The thread's own part of the staging. */
	assert_ptr_equal(buffer, staging + (size_t)o->intent *
				 ONESIDED_PAGE_BYTES);
	if (fake.read_error == 0)
		memcpy(buffer, content, sizeof(content));
	return fake.read_error;
}

static int fake_install(void *ctx, uint32_t page, const void *bytes)
{
	const struct onesided *o = ctx;

	fake.installs++;
	expect_intent(o);
	expect_taken(o);
	assert_int_equal(page, PAGE);
	if (atomic_load(&entry.state) == BOOK_ZERO)
		assert_null(bytes);
	else
		assert_memory_equal(bytes, content, sizeof(content));
	return fake.install_error;
}

static int fake_map(void *ctx, uint32_t page)
{
	fake.maps++;
	expect_intent(ctx);
	assert_int_equal(count_cells(CREDIT_TAKEN), 0);
	assert_int_equal(page, PAGE);
	return fake.map_error;
}

static void fake_ring(void *ctx)
{
	(void)ctx;
	fake.rings++;
}

static const struct onesided_ops ops = {
	.read = fake_read,
	.install = fake_install,
	.map = fake_map,
	.ring = fake_ring,
};

/* ---- one fault */

static int begin(void **state)
{
	(void)state;
	desk = aligned_alloc(_Alignof(struct desk), sizeof(*desk));
	staging = aligned_alloc(ONESIDED_PAGE_BYTES, (size_t)DESK_INTENTS *
						     ONESIDED_PAGE_BYTES);
	assert_non_null(desk);
	assert_non_null(staging);
	memset(desk, 0, sizeof(*desk));
	memset(&entry, 0, sizeof(entry));
	memset(&book_end, 0, sizeof(book_end));
	memset(&fake, 0, sizeof(fake));
	for (unsigned i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 31 + i / 256);
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(desk);
	free(staging);
	return 0;
}

static void lend(unsigned at)
{
	atomic_store(&desk->credit[at].word, credit_word(CREDIT_LENT, 0));
	atomic_fetch_or(&desk->lent[at / 64], UINT64_C(1) << at % 64);
}

static void write_entry(uint32_t state)
{
	const struct checksum_key key = {
		.segment = SERIAL, .page = PAGE, .generation = GENERATION,
	};
	struct checksum sum = checksum_of(&key, content, sizeof(content));

	atomic_store(&entry.slot, SLOT);
	atomic_store(&entry.generation, GENERATION);
	atomic_store(&entry.sum_low, sum.low);
	atomic_store(&entry.sum_high, sum.high);
	atomic_store(&entry.state, state);
}

static struct onesided fault_make(void)
{
	return (struct onesided){
		.ops = &ops,
		.desk = desk,
		.staging = staging,
		.entry = &entry,
		.end = &book_end,
		.serial = SERIAL,
		.segment = SEGMENT,
		.page = PAGE,
		.start_ns = clock_now_ns(),
		.hint = HINT,
	};
}

/* A letter for each step. */
static enum onesided_result run(struct onesided *o, char *ret_steps)
{
	static const char letter[] = "OLTRINBMC";

	o->ctx = o;
	while (o->step != ONESIDED_END) {
		*ret_steps++ = letter[o->step];
		onesided_step(o);
	}
	*ret_steps = '\0';
	return o->result;
}

static enum onesided_result fault(void)
{
	struct onesided o = fault_make();

	o.ctx = &o;
	return onesided_run(&o);
}

static void expect_closed(void)
{
	assert_int_equal(count_intents(), 0);
	assert_int_equal(atomic_load(&desk->open), 0);
	assert_int_equal(count_cells(CREDIT_TAKEN), 0);
}

static bool is_bit_set(unsigned at)
{
	return atomic_load(&desk->lent[at / 64]) >> at % 64 & 1;
}

/* ---- each way */

static const struct way {
	const char *name;
	uint32_t state;			/* of the entry */
	bool has_no_credit, is_torn, has_ended;
	int read_error, install_error, map_error;
	/* O(pen) L(ook) T(ake) R(ead) I(nstall) N(ote) B(ack: RETURN) M(ap)
	 * C(lose) */
	const char *steps;
	enum onesided_result result;
	enum credit_state cell;
} ways[] = {
	{ .name = "zeros", .state = BOOK_ZERO, .steps = "OLTINC",
	  .result = ONESIDED_ZERO, .cell = CREDIT_INSTALLED },
	{ .name = "swapped", .state = BOOK_SWAPPED, .steps = "OLTRINC",
	  .result = ONESIDED_SWAPPED, .cell = CREDIT_INSTALLED },
	{ .name = "resident", .state = BOOK_RESIDENT, .steps = "OLMC",
	  .result = ONESIDED_MAPPED, .cell = CREDIT_LENT },
	{ .name = "resident, and has gone", .state = BOOK_RESIDENT,
	  .map_error = -EFAULT, .steps = "OLMC",
	  .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "busy", .state = BOOK_BUSY, .steps = "OLC",
	  .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "a state of a later version", .state = BOOK_BUSY + 1,
	  .steps = "OLC", .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "a large state", .state = UINT32_MAX,
	  .steps = "OLC", .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "zeros, but the book has ended", .state = BOOK_ZERO,
	  .has_ended = true, .steps = "OLC",
	  .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "swapped, but the book has ended", .state = BOOK_SWAPPED,
	  .has_ended = true, .steps = "OLC",
	  .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "zeros, no credit", .state = BOOK_ZERO,
	  .has_no_credit = true, .steps = "OLTC",
	  .result = ONESIDED_ASK, .cell = CREDIT_FREE },
	{ .name = "swapped, no credit", .state = BOOK_SWAPPED,
	  .has_no_credit = true, .steps = "OLTC",
	  .result = ONESIDED_ASK, .cell = CREDIT_FREE },
	{ .name = "read error", .state = BOOK_SWAPPED, .read_error = -EIO,
	  .steps = "OLTRBC", .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "other bytes", .state = BOOK_SWAPPED, .is_torn = true,
	  .steps = "OLTRBC", .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "zeros, was there", .state = BOOK_ZERO,
	  .install_error = -EEXIST, .steps = "OLTIBMC",
	  .result = ONESIDED_MAPPED, .cell = CREDIT_LENT },
	{ .name = "swapped, was there", .state = BOOK_SWAPPED,
	  .install_error = -EEXIST, .steps = "OLTRIBMC",
	  .result = ONESIDED_MAPPED, .cell = CREDIT_LENT },
	{ .name = "was there, and has gone", .state = BOOK_SWAPPED,
	  .install_error = -EEXIST, .map_error = -EFAULT,
	  .steps = "OLTRIBMC", .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "zeros, no memory", .state = BOOK_ZERO,
	  .install_error = -ENOMEM, .steps = "OLTIBC",
	  .result = ONESIDED_ASK, .cell = CREDIT_LENT },
	{ .name = "swapped, no memory", .state = BOOK_SWAPPED,
	  .install_error = -ENOMEM, .steps = "OLTRIBC",
	  .result = ONESIDED_ASK, .cell = CREDIT_LENT },
};

static unsigned count_letter(const char *steps, char letter)
{
	unsigned count = 0;

	for (; *steps != '\0'; steps++)
		count += *steps == letter;
	return count;
}

static void go_way(const struct way *way)
{
	enum { CELL = 700 };
	struct onesided o = fault_make();
	char steps[32];

	write_entry(way->state);
	if (!way->has_no_credit)
		lend(CELL);
	content[17] ^= way->is_torn;
	atomic_store(&book_end.state, way->has_ended);
	fake.read_error = way->read_error;
	fake.install_error = way->install_error;
	fake.map_error = way->map_error;
	assert_int_equal(run(&o, steps), way->result);
	assert_string_equal(steps, way->steps);
	expect_closed();
	assert_int_equal(credit_state_of(atomic_load(
		&desk->credit[CELL].word)), way->cell);
	assert_int_equal(is_bit_set(CELL), way->cell == CREDIT_LENT);
	assert_int_equal(fake.reads, count_letter(steps, 'R'));
	assert_int_equal(fake.installs, count_letter(steps, 'I'));
	assert_int_equal(fake.maps, count_letter(steps, 'M'));
	/* `low` is 0: for the last one, or for want of one. */
	assert_int_equal(fake.rings, count_letter(steps, 'T'));
}

static void each_way_ends_well(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		print_message("%s\n", ways[i].name);
		go_way(&ways[i]);
		end(state);
		begin(state);
	}
}

/* ---- the checksum says which page of which segment it is, and when */

static void expect_refused(struct onesided *o)
{
	char steps[32];

	assert_int_equal(run(o, steps), ONESIDED_ASK);
	assert_string_equal(steps, "OLTRBC");
	assert_int_equal(fake.installs, 0);
	expect_closed();
}

static void another_pages_bytes_are_refused(void **state)
{
	struct onesided o = fault_make();

	(void)state;
	lend(0);
	write_entry(BOOK_SWAPPED);
	o.serial++;
	expect_refused(&o);
	o = fault_make();
	atomic_fetch_add(&entry.generation, 1);
	expect_refused(&o);
	write_entry(BOOK_SWAPPED);
	o = fault_make();
	atomic_fetch_xor(&entry.sum_low, 1);
	expect_refused(&o);
	write_entry(BOOK_SWAPPED);
	o = fault_make();
	atomic_fetch_xor(&entry.sum_high, UINT64_C(1) << 63);
	expect_refused(&o);
	write_entry(BOOK_SWAPPED);
	assert_int_equal(fault(), ONESIDED_SWAPPED);
}

/* ---- intents */

static void without_an_intent_memd_is_asked(void **state)
{
	struct onesided o = fault_make();
	char steps[32];

	(void)state;
	lend(0);
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		atomic_store(&desk->intent[i].word, intent_word(1, i));
	atomic_store(&desk->open, DESK_INTENTS);
	assert_int_equal(run(&o, steps), ONESIDED_ASK);
	assert_string_equal(steps, "O");
	assert_int_equal(atomic_load(&desk->open), DESK_INTENTS);
	for (unsigned i = 0; i < DESK_INTENTS; i++)
		assert_int_equal(atomic_load(&desk->intent[i].word),
				 intent_word(1, i));
	assert_int_equal(count_cells(CREDIT_LENT), 1);
}

/* Wherever it is, also before the one to begin with. */
static void the_last_intent_is_found(void **state)
{
	(void)state;
	write_entry(BOOK_SWAPPED);
	for (unsigned last = 0; last < DESK_INTENTS; last++) {
		struct onesided o = fault_make();
		char steps[32];

		lend(0);
		for (unsigned i = 0; i < DESK_INTENTS; i++)
			atomic_store(&desk->intent[i].word,
				     i == last ? 0 : intent_word(1, i));
		assert_int_equal(run(&o, steps), ONESIDED_SWAPPED);
		assert_int_equal(o.intent, last);
		assert_int_equal(atomic_load(&desk->intent[last].word), 0);
		assert_int_equal(count_intents(), DESK_INTENTS - 1);
	}
}

/* ---- credits */

static void each_credit_is_taken_once(void **state)
{
	(void)state;
	write_entry(BOOK_SWAPPED);
	for (unsigned i = 0; i < DESK_CREDITS; i++)
		lend(i);
	for (unsigned i = 1; i <= DESK_CREDITS; i++) {
		assert_int_equal(fault(), ONESIDED_SWAPPED);
		assert_int_equal(count_cells(CREDIT_INSTALLED), i);
	}
	assert_int_equal(fault(), ONESIDED_ASK);
	expect_closed();
}

/* A cell that memd has recalled, or that another thread has. */
static void bits_are_hints(void **state)
{
	(void)state;
	write_entry(BOOK_ZERO);
	lend(0);
	lend(1);
	lend(2);
	atomic_store(&desk->credit[0].word, credit_word(CREDIT_FREE, 0));
	atomic_store(&desk->credit[1].word,
		     credit_word(CREDIT_INSTALLED, 99));
	assert_int_equal(fault(), ONESIDED_ZERO);
	assert_int_equal(atomic_load(&desk->credit[0].word),
			 credit_word(CREDIT_FREE, 0));
	assert_int_equal(atomic_load(&desk->credit[1].word),
			 credit_word(CREDIT_INSTALLED, 99));
	assert_int_equal(atomic_load(&desk->credit[2].word),
			 credit_word(CREDIT_INSTALLED, PAGE));
	assert_int_equal(fault(), ONESIDED_ASK);
	expect_closed();
}

static void memd_is_rung_once_at_low(void **state)
{
	(void)state;
	write_entry(BOOK_ZERO);
	atomic_store(&desk->low, 2);
	for (unsigned i = 0; i < 4; i++)
		lend(i * 64);		/* each is the last of its word */
	assert_int_equal(fault(), ONESIDED_ZERO);
	assert_int_equal(fake.rings, 0);
	for (unsigned left = 3; left > 0; left--) {
		assert_int_equal(fault(), ONESIDED_ZERO);
		assert_int_equal(fake.rings, 1);
	}
	assert_int_equal(fault(), ONESIDED_ASK);
	assert_int_equal(fake.rings, 1);
	assert_int_equal(atomic_load(&desk->is_rung), 1);
	/* memd has come, and had none to lend. */
	atomic_store(&desk->is_rung, 0);
	assert_int_equal(fault(), ONESIDED_ASK);
	assert_int_equal(fake.rings, 2);
	assert_int_equal(fault(), ONESIDED_ASK);
	assert_int_equal(fake.rings, 2);
	expect_closed();
}

/* ---- records */

static void a_record_says_what_it_took(void **state)
{
	struct desk_credit *c = &desk->credit[0];
	struct onesided o = fault_make();
	char steps[32];

	(void)state;
	write_entry(BOOK_SWAPPED);
	lend(0);
	o.start_ns -= 1000000;
	assert_int_equal(run(&o, steps), ONESIDED_SWAPPED);
	assert_int_equal(atomic_load(&c->word),
			 credit_word(CREDIT_INSTALLED, PAGE));
	assert_int_equal(atomic_load(&c->segment), SEGMENT);
	assert_int_equal(c->start_ns, o.start_ns);
	assert_true(c->io_ns >= 1000000 && c->total_ns >= c->io_ns);
	/* Without a slot. */
	lend(0);
	atomic_store(&entry.state, BOOK_ZERO);
	assert_int_equal(fault(), ONESIDED_ZERO);
	assert_int_equal(c->io_ns, 0);
}

/* A clock that has gone back: yet a slot was read. */
static void a_record_of_a_slot_has_time(void **state)
{
	struct onesided o = fault_make();
	char steps[32];

	(void)state;
	write_entry(BOOK_SWAPPED);
	lend(0);
	o.start_ns += UINT64_C(3600) * 1000000000;
	assert_int_equal(run(&o, steps), ONESIDED_SWAPPED);
	assert_int_equal(desk->credit[0].io_ns, 1);
	assert_int_equal(desk->credit[0].total_ns, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_way_ends_well),
		TEST(another_pages_bytes_are_refused),
		TEST(without_an_intent_memd_is_asked),
		TEST(the_last_intent_is_found),
		TEST(each_credit_is_taken_once),
		TEST(bits_are_hints),
		TEST(memd_is_rung_once_at_low),
		TEST(a_record_says_what_it_took),
		TEST(a_record_of_a_slot_has_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
