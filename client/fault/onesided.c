/* SPDX-License-Identifier: MIT */
#include "client/fault/onesided.h"

#include "common/clock.h"
#include "proto/checksum.h"
#include <errno.h>

/* ---- OPEN, CLOSE */

/* An intent that is nobody's, if there is one. */
static bool take_intent(struct onesided *o)
{
	uint64_t word = intent_word(o->segment, o->page);

	for (unsigned i = 0; i < DESK_INTENTS; i++) {
		unsigned at = (o->hint + i) % DESK_INTENTS;
		uint64_t none = 0;

		if (atomic_compare_exchange_strong(&o->desk->intent[at].word,
						   &none, word)) {
			o->intent = at;
			return true;
		}
	}
	return false;
}

static void step_open(struct onesided *o)
{
	atomic_fetch_add(&o->desk->open, 1);
	if (take_intent(o)) {
		desk_fence();	/* K1 */
		o->step = ONESIDED_LOOK;
		return;
	}
	atomic_fetch_sub(&o->desk->open, 1);
	o->step = ONESIDED_END;
}

static void step_close(struct onesided *o)
{
	atomic_store_explicit(&o->desk->intent[o->intent].word, 0,
			      memory_order_release);
	atomic_fetch_sub_explicit(&o->desk->open, 1, memory_order_release);
	o->step = ONESIDED_END;
}

static void close_with(struct onesided *o, enum onesided_result result)
{
	o->result = result;
	o->step = ONESIDED_CLOSE;
}

/* ---- LOOK */

#define load_field(field)						\
	atomic_load_explicit(&(field), memory_order_relaxed)

static void step_look(struct onesided *o)
{
	o->state = atomic_load(&o->entry->state);
	if (atomic_load(&o->end->state) != BOOK_ZERO)
		o->state = BOOK_BUSY;
	switch (o->state) {
	case BOOK_RESIDENT:
		o->step = ONESIDED_MAP;
		return;
	case BOOK_SWAPPED:
		o->slot = load_field(o->entry->slot);
		o->generation = load_field(o->entry->generation);
		o->sum_low = load_field(o->entry->sum_low);
		o->sum_high = load_field(o->entry->sum_high);
		o->step = ONESIDED_TAKE;
		return;
	case BOOK_ZERO:
		o->step = ONESIDED_TAKE;
		return;
	default:
		close_with(o, ONESIDED_ASK);
	}
}

/* ---- TAKE, RETURN: credits */

/* Has the number of credits fallen so low that memd has to be told?  Looked at
 * when a word of bits has run empty, not each time. */
static void ring_if_low(struct onesided *o)
{
	uint32_t left = 0;

	for (unsigned i = 0; i < DESK_CREDIT_WORDS; i++)
		left += (uint32_t)__builtin_popcountll(atomic_load_explicit(
			&o->desk->lent[i], memory_order_relaxed));
	if (left <= atomic_load_explicit(&o->desk->low,
					 memory_order_relaxed) &&
	    atomic_exchange(&o->desk->is_rung, 1) == 0)
		o->ops->ring(o->ctx);
}

/* Take a credit out of a word of the bitmap.  The bits are hints; the cell
 * decides. */
static bool take_of_word(struct onesided *o, unsigned word)
{
	_Atomic uint64_t *bits = &o->desk->lent[word];
	uint64_t there;

	while ((there = atomic_load_explicit(bits, memory_order_relaxed)) !=
	       0) {
		uint64_t bit = there & -there, lent = credit_word(CREDIT_LENT,
								  0);
		unsigned at = word * 64 + (unsigned)__builtin_ctzll(there);
		struct desk_credit *c = &o->desk->credit[at];

		if (!(atomic_fetch_and(bits, ~bit) & bit) ||
		    !atomic_compare_exchange_strong(&c->word, &lent,
				credit_word(CREDIT_TAKEN, o->page)))
			continue;
		o->credit = c;
		if (there == bit)
			ring_if_low(o);
		return true;
	}
	return false;
}

static void step_take(struct onesided *o)
{
	for (unsigned i = 0; i < DESK_CREDIT_WORDS; i++) {
		if (!take_of_word(o, (o->hint + i) % DESK_CREDIT_WORDS))
			continue;
		atomic_store_explicit(&o->credit->segment, o->segment,
				      memory_order_relaxed);
		o->step = o->state == BOOK_ZERO ? ONESIDED_INSTALL :
						  ONESIDED_READ;
		return;
	}
	ring_if_low(o);
	close_with(o, ONESIDED_ASK);
}

static void step_return(struct onesided *o)
{
	unsigned at = (unsigned)(o->credit - o->desk->credit);

	atomic_store_explicit(&o->credit->word, credit_word(CREDIT_LENT, 0),
			      memory_order_release);
	atomic_fetch_or(&o->desk->lent[at / 64], UINT64_C(1) << at % 64);
	o->step = o->result == ONESIDED_MAPPED ? ONESIDED_MAP : ONESIDED_CLOSE;
}

static void return_with(struct onesided *o, enum onesided_result result)
{
	o->result = result;
	o->step = ONESIDED_RETURN;
}

/* ---- READ, INSTALL, NOTE, MAP */

void *onesided_buffer(const struct onesided *o)
{
	return o->staging + (size_t)o->intent * ONESIDED_PAGE_BYTES;
}

static bool agrees(const struct onesided *o)
{
	struct checksum_key key = {
		.segment = o->serial,
		.page = o->page,
		.generation = o->generation,
	};

	return checksum_equal((struct checksum){ o->sum_low, o->sum_high },
			      checksum_of(&key, onesided_buffer(o),
					  ONESIDED_PAGE_BYTES));
}

void onesided_has_read(struct onesided *o, int error)
{
	ASSERT(o->step == ONESIDED_READ);
	o->io_ns = clock_now_ns();
	if (error == 0 && agrees(o))
		o->step = ONESIDED_INSTALL;
	else
		return_with(o, ONESIDED_ASK);
}

static void step_read(struct onesided *o)
{
	onesided_has_read(o, o->ops->read(o->ctx, o->slot,
					  onesided_buffer(o)));
}

static void step_install(struct onesided *o)
{
	int err = o->ops->install(o->ctx, o->page, o->state == BOOK_ZERO ?
				  NULL : onesided_buffer(o));

	if (err == 0)
		o->step = ONESIDED_NOTE;
	else
		return_with(o, err == -EEXIST ? ONESIDED_MAPPED :
						ONESIDED_ASK);
}

static uint32_t span_ns(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns < from_ns ? 0 :
		(uint32_t)MIN(to_ns - from_ns, (uint64_t)UINT32_MAX);
}

static void step_note(struct onesided *o)
{
	struct desk_credit *c = o->credit;

	c->start_ns = o->start_ns;
	c->io_ns = o->state == BOOK_ZERO ? 0 :
		MAX(span_ns(o->start_ns, o->io_ns), 1u);
	c->total_ns = span_ns(o->start_ns, clock_now_ns());
	atomic_store_explicit(&c->word,
			      credit_word(CREDIT_INSTALLED, o->page),
			      memory_order_release);
	close_with(o, o->state == BOOK_ZERO ? ONESIDED_ZERO :
					      ONESIDED_SWAPPED);
}

static void step_map(struct onesided *o)
{
	close_with(o, o->ops->map(o->ctx, o->page) == 0 ? ONESIDED_MAPPED :
							  ONESIDED_ASK);
}

void onesided_step(struct onesided *o)
{
	static void (*const step[ONESIDED_END])(struct onesided *o) = {
		[ONESIDED_OPEN] = step_open,
		[ONESIDED_LOOK] = step_look,
		[ONESIDED_TAKE] = step_take,
		[ONESIDED_READ] = step_read,
		[ONESIDED_INSTALL] = step_install,
		[ONESIDED_NOTE] = step_note,
		[ONESIDED_RETURN] = step_return,
		[ONESIDED_MAP] = step_map,
		[ONESIDED_CLOSE] = step_close,
	};

	step[o->step](o);
}

enum onesided_result onesided_run(struct onesided *o)
{
	while (o->step != ONESIDED_END)
		onesided_step(o);
	return o->result;
}
