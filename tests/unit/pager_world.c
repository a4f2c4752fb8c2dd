/* SPDX-License-Identifier: MIT */
/* The world of the pager's unit tests; see pager_world.h. */
#include "tests/unit/pager_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { UNIT = PAGER_UNIT_BYTES };

static struct world_segment *segment_of(struct world *w, segment_id id)
{
	assert_true(id >= 1 && id <= WORLD_SEGMENTS);
	assert_true(w->segment[id].is_live);
	return &w->segment[id];
}

static struct world_segment *range_of(struct world *w, segment_id id,
				      uint64_t unit, uint64_t count)
{
	struct world_segment *sg = segment_of(w, id);

	assert_true(count > 0 && unit + count <= sg->units);
	return sg;
}

static int on_install(void *ctx, segment_id id, uint64_t unit, uint64_t count,
		      const void *bytes)
{
	struct world *w = ctx;
	struct world_segment *sg = range_of(w, id, unit, count);
	bool fails = w->fail_installs > 0;

	if (fails) {
		w->fail_installs--;
		count = w->install_part < count ? w->install_part : count;
	}
	for (uint64_t i = unit; i < unit + count; i++) {
		if (sg->present[i])
			continue;
		sg->present[i] = true;
		if (bytes == NULL)
			memset(sg->bytes + i * UNIT, 0, UNIT);
		else
			memcpy(sg->bytes + i * UNIT,
			       (const uint8_t *)bytes + (i - unit) * UNIT,
			       UNIT);
	}
	return fails ? -ENOMEM : 0;
}

static int on_install_for(void *ctx, struct fault *fault, uint64_t unit,
			  uint64_t count, const void *bytes)
{
	struct world *w = ctx;
	int err = on_install(ctx, fault->segment, unit, count, bytes);

	w->alone_count += err == 0;
	w->alone_page = fault->page;
	w->alone_replies = w->reply_count;
	return err;
}

static int take_out(struct world *w, segment_id id, uint64_t unit,
		    uint64_t count, uint8_t *to)
{
	struct world_segment *sg = range_of(w, id, unit, count);

	for (uint64_t i = unit; i < unit + count; i++) {
		if (to != NULL && sg->present[i])
			memcpy(to, sg->bytes + i * UNIT, UNIT);
		else if (to != NULL)
			memset(to, 0, UNIT);
		to = to != NULL ? to + UNIT : NULL;
		sg->present[i] = false;
	}
	return 0;
}

static int discard_run(struct world *w, const struct pager_capture *c)
{
	if (w->fail_discards > 0) {
		w->fail_discards--;
		return -EBUSY;
	}
	w->discards++;
	w->discarded += c->count;
	return take_out(w, c->segment, c->unit, c->count, NULL);
}

static int capture_run(struct world *w, const struct pager_capture *c)
{
	if (c->segment == w->stuck)
		return -ENOTRECOVERABLE;
	if (w->fail_captures > 0) {
		w->fail_captures--;
		return -ENOMEM;
	}
	w->captures++;
	return take_out(w, c->segment, c->unit, c->count, c->to);
}

/* An account with a capture under way gets no other here. */
static int refuse_run(const struct world *w, const struct pager_capture *c)
{
	account_id account = world_info(w, c->segment).account;

	for (uint32_t t = 1; t <= PAGER_TICKETS_MAX; t++) {
		const struct world_late *late = &w->late[t];

		if (late->is_used && !late->has_ended &&
		    world_info(w, late->run[0].segment).account == account)
			return late->is_stuck ? -EBUSY : -EAGAIN;
	}
	return 0;
}

/* All runs of one call get one ticket. */
static void begin_late(struct world *w, struct pager_capture *capture,
		       unsigned count)
{
	uint32_t ticket = 1;
	struct world_late *late;

	while (w->late[ticket].is_used)
		assert_true(++ticket <= PAGER_TICKETS_MAX);
	late = &w->late[ticket];
	*late = (struct world_late){ .is_used = true };
	for (unsigned i = 0; i < count; i++) {
		if (capture[i].error != 0)
			continue;
		capture[i].error = -EINPROGRESS;
		capture[i].ticket = ticket;
		late->run[late->count++] = capture[i];
		late->units += capture[i].count;
	}
	if (late->count == 0) {
		late->is_used = false;
		return;
	}
	late->bytes = calloc(late->units, UNIT);
	assert_non_null(late->bytes);
	w->late_count++;
}

static void on_capture(void *ctx, struct pager_capture *capture,
		       unsigned count)
{
	struct world *w = ctx;

	for (unsigned i = 0; i < count; i++) {
		capture[i].error = refuse_run(w, &capture[i]);
		w->refused_captures += capture[i].error != 0;
	}
	if (w->late_captures > 0) {
		w->late_captures--;
		begin_late(w, capture, count);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct pager_capture *c = &capture[i];
		uint64_t lost = w->lose_unit - 1;

		if (c->error == 0)
			c->error = c->to == NULL ? discard_run(w, c) :
						   capture_run(w, c);
		if (c->error != 0 || w->lose_unit == 0 || c->segment != 1 ||
		    lost < c->unit || lost >= c->unit + c->count)
			continue;
		c->lost = lost;
		c->lost_end = lost + 1;
		w->lose_unit = 0;
	}
}

static unsigned on_collect(void *ctx, uint32_t ticket, void *to,
			   struct pager_capture ret_run[PAGER_CAPTURES_MAX])
{
	struct world *w = ctx;
	struct world_late *late = &w->late[ticket];
	uint8_t *at = to;

	assert_true(late->is_used && late->has_ended);
	assert_true((to == NULL) == (late->run[0].to == NULL));
	if (to != NULL)
		memcpy(to, late->bytes, late->units * UNIT);
	for (unsigned i = 0; i < late->count; i++) {
		ret_run[i] = late->run[i];
		ret_run[i].to = at;
		at = at != NULL ? at + late->run[i].count * UNIT : NULL;
	}
	free(late->bytes);
	late->is_used = false;
	w->late_count--;
	return late->count;
}

static bool on_shed(void *ctx, segment_id id, uint32_t *budget)
{
	struct world *w = ctx;
	struct world_segment *sg = segment_of(w, id);

	assert_true(*budget > 0);
	/* With a book, what no record has told of is still there. */
	for (uint64_t i = 0; i < sg->units && sg->book == NULL; i++)
		assert_false(sg->present[i]);
	while (*budget > 0 && sg->pieces_gone < w->shed_pieces) {
		*budget -= *budget < w->shed_cost ? *budget : w->shed_cost;
		sg->pieces_gone++;
		w->sheds++;
	}
	return sg->pieces_gone >= w->shed_pieces;
}

static void on_gone(void *ctx, segment_id id)
{
	struct world *w = ctx;
	struct world_segment *sg = segment_of(w, id);

	free(sg->bytes);
	free(sg->present);
	free(sg->book);
	free(sg->open);
	*sg = (struct world_segment){ 0 };
	w->gone_count++;
}

/* What the pager asks about is BUSY by now (O1 in book.h). */
static void on_look(void *ctx, struct pager_claim *claim, unsigned count)
{
	struct world *w = ctx;

	w->looks++;
	for (unsigned k = 0; k < count; k++) {
		struct pager_claim *c = &claim[k];
		const struct world_segment *sg = segment_of(w, c->segment);

		for (uint32_t i = 0; i < c->count; i++) {
			uint64_t unit = c->first + i;

			assert_true(unit < sg->units);
			assert_int_equal(atomic_load(&sg->book[unit].state),
					 BOOK_BUSY);
			c->open |= (uint64_t)sg->open[unit] << i;
			if (c->asks_present)
				c->present |= (uint64_t)sg->present[unit] << i;
		}
	}
}

static bool is_in_one_file(const struct world *w, const struct swap_io *io)
{
	for (unsigned i = 0; i < w->file_count; i++)
		if (io->slot >= w->file[i].first &&
		    io->slot + io->slot_count <=
			    w->file[i].first + w->file[i].count)
			return true;
	return false;
}

static int on_submit(void *ctx, const struct swap_io *io)
{
	struct world *w = ctx;

	assert_true(io->slot + io->slot_count <=
		    pager_slot_limit(&w->config));
	assert_true(w->file_count == 0 || is_in_one_file(w, io));
	if (w->io_count == w->io_depth || w->refuses[swap_io_class(io)])
		return -EAGAIN;
	w->io[w->io_count++] = *io;
	*(io->is_write ? &w->writes : &w->reads) += 1;
	*(io->is_write ? &w->slots_written : &w->slots_read) +=
		io->slot_count;
	return 0;
}

static bool on_is_slot_lost(void *ctx, uint32_t slot)
{
	const struct world *w = ctx;

	return w->lost_slot == slot + 1;
}

/* Who asks: what a fault is to the world. */
struct asked {
	struct fault fault;	/* first */
	uint64_t cookie;
};

/* The record is gone, so that the pager cannot use it any more unseen. */
static void on_reply(void *ctx, struct fault *fault)
{
	struct asked *asked = (struct asked *)fault;
	struct world *w = ctx;

	assert_true(w->reply_count < WORLD_LOG_MAX);
	w->reply[w->reply_count] = *fault;
	w->reply_cookie[w->reply_count++] = asked->cookie;
	memset(asked, 0xa5, sizeof(*asked));
	free(asked);
}

static void on_ready(void *ctx, uint32_t client, segment_id id,
		     uint64_t first, uint64_t count, uint64_t mark)
{
	struct world *w = ctx;

	(void)segment_of(w, id);
	assert_true(w->ready_count < WORLD_READY_MAX);
	w->ready[w->ready_count++] = (struct world_ready){
		.client = client, .segment = id, .first = first,
		.count = count, .mark = mark,
	};
}

static void on_age(void *ctx, segment_id id, uint64_t first, uint64_t count)
{
	struct world *w = ctx;

	(void)segment_of(w, id);
	(void)first;
	w->aged += count;
}

static void on_done(void *ctx, uint64_t cookie, int result, uint64_t count)
{
	struct world *w = ctx;

	assert_true(w->done_count < WORLD_DONE_MAX);
	w->done[w->done_count++] = (struct world_done){
		.cookie = cookie, .result = result, .count = count,
	};
}

static void on_filled(void *ctx, area_id area, uint32_t first)
{
	struct world *w = ctx;

	assert_int_equal(area, w->area);
	assert_true(w->filled_count < ARRAY_SIZE(w->filled));
	w->filled[w->filled_count++] = first;
}

static const struct pager_ops ops = {
	.install = on_install,
	.install_for = on_install_for,
	.capture = on_capture,
	.collect = on_collect,
	.shed = on_shed,
	.look = on_look,
	.submit = on_submit,
	.is_slot_lost = on_is_slot_lost,
};

static const struct pager_callbacks callbacks = {
	.segment_gone = on_gone,
	.reply = on_reply,
	.ready = on_ready,
	.age = on_age,
	.done = on_done,
	.file_filled = on_filled,
};

#define DEFAULT(field, value)						\
	(w->config.field = w->config.field != 0 ? w->config.field : (value))

void world_create(struct world *w, const struct pager_config *config)
{
	memset(w, 0, sizeof(*w));
	w->config = *config;
	DEFAULT(frame_count, 64);
	DEFAULT(slot_count, 128);
	DEFAULT(segments_max, 8);
	DEFAULT(accounts_max, 8);
	DEFAULT(low_watermark, 1);
	DEFAULT(high_watermark, 2);
	DEFAULT(staging_bytes, 1u << 20);
	if (w->config.slot_count == UINT32_MAX)
		w->config.slot_count = 0;
	w->io_depth = WORLD_IO_MAX;
	w->now_ns = 1;
	w->slots = calloc((size_t)pager_slot_limit(&w->config) + 1, UNIT);
	w->config.staging = aligned_alloc(UNIT, w->config.staging_bytes);
	assert_non_null(w->slots);
	assert_non_null(w->config.staging);
	assert_int_equal(pager_create(&w->config, &ops, w, &callbacks, w,
				      &w->pager), 0);
}

void world_destroy(struct world *w)
{
	struct pager_stats st;

	w->keeps_late = false;
	for (segment_id id = 1; id <= WORLD_SEGMENTS; id++)
		if (w->segment[id].is_live)
			pager_segment_destroy(w->pager, id);
	world_settle(w);
	(void)pager_retry_refused(w->pager);
	world_settle(w);
	pager_check(w->pager);
	assert_true(pager_is_idle(w->pager));
	st = world_stats(w);
	assert_int_equal(st.free_frames, st.frame_count);
	assert_int_equal(st.free_slots + st.quarantined_slots, st.slot_count);
	assert_int_equal(st.committed_units, 0);
	assert_int_equal(st.faults_waiting, 0);
	pager_destroy(w->pager);
	free(w->config.staging);
	free(w->slots);
}

void world_add_file(struct world *w, area_id area, uint32_t slot_count)
{
	uint32_t first;

	assert_true(w->file_count < ARRAY_SIZE(w->file));
	assert_int_equal(pager_area_add_file(w->pager, area, slot_count,
					     &first), 0);
	w->file[w->file_count].first = first;
	w->file[w->file_count++].count = slot_count;
}

segment_id world_segment(struct world *w, uint64_t pages, unsigned order,
			 account_id account)
{
	static uint64_t serial;
	struct world_segment *sg;
	segment_id id;

	assert_int_equal(pager_segment_create(w->pager, ++serial, pages, order,
					      account, w->area, &id), 0);
	assert_true(id >= 1 && id <= WORLD_SEGMENTS);
	sg = &w->segment[id];
	assert_false(sg->is_live);
	sg->is_live = true;
	sg->units = pages << order;
	sg->bytes = malloc(sg->units * UNIT);	/* touched as it is used */
	sg->present = calloc(sg->units, sizeof(*sg->present));
	assert_non_null(sg->bytes);
	assert_non_null(sg->present);
	return id;
}

void world_segment_destroy(struct world *w, segment_id id)
{
	pager_segment_destroy(w->pager, id);
}

void world_publish(struct world *w, segment_id id)
{
	struct world_segment *sg = segment_of(w, id);

	sg->book = calloc(sg->units, sizeof(*sg->book));
	sg->open = calloc(sg->units, sizeof(*sg->open));
	assert_non_null(sg->book);
	assert_non_null(sg->open);
	pager_segment_publish(w->pager, id, sg->book);
}

void world_program_installs(struct world *w, segment_id id, uint64_t page,
			    uint8_t value)
{
	struct world_segment *sg = range_of(w, id, page, 1);

	assert_false(sg->present[page]);
	sg->present[page] = true;
	memset(sg->bytes + page * UNIT, value, UNIT);
}

static const struct fault *find_reply(const struct world *w, uint64_t cookie)
{
	const struct fault *found = NULL;

	for (unsigned i = 0; i < w->reply_count; i++)
		if (w->reply_cookie[i] == cookie) {
			assert_null(found);	/* exactly once */
			found = &w->reply[i];
		}
	return found;
}

void world_ask(struct world *w, segment_id id, uint64_t page, uint64_t cookie)
{
	struct asked *asked = calloc(1, sizeof(*asked));

	assert_non_null(asked);
	asked->fault = (struct fault){
		.segment = id, .page = page, .client = w->client,
	};
	asked->cookie = cookie;
	pager_fault(w->pager, &asked->fault, ++w->now_ns);
}

static uint64_t send_fault(struct world *w, segment_id id, uint64_t page)
{
	static uint64_t cookie;

	world_ask(w, id, page, ++cookie);
	return cookie;
}

const struct fault *world_fault(struct world *w, segment_id id, uint64_t page)
{
	return find_reply(w, send_fault(w, id, page));
}

const struct fault *world_fault_wait(struct world *w, segment_id id,
				     uint64_t page)
{
	uint64_t cookie = send_fault(w, id, page);
	const struct fault *reply = find_reply(w, cookie);

	if (reply == NULL) {
		world_settle(w);
		reply = find_reply(w, cookie);
	}
	assert_non_null(reply);
	return reply;
}

int world_advise(struct world *w, segment_id id, uint64_t first,
		 uint64_t count, enum pager_advice advice)
{
	unsigned before = w->done_count;

	pager_advise(w->pager, id, first, count, advice, 1000 + before,
		     ++w->now_ns);
	if (w->done_count == before)
		return 1;
	assert_int_equal(w->done_count, before + 1);
	assert_int_equal(w->done[before].cookie, 1000 + before);
	return w->done[before].result;
}

void world_end_io(struct world *w, unsigned idx, int result)
{
	struct swap_io io = w->io[idx];
	uint8_t *slot = w->slots + (size_t)io.slot * UNIT;

	assert_true(idx < w->io_count);
	w->io_count--;
	memmove(&w->io[idx], &w->io[idx + 1],
		(w->io_count - idx) * sizeof(io));
	if (result == 0 && io.is_write)
		memcpy(slot, io.buffer, (size_t)io.slot_count * UNIT);
	else if (result == 0)
		memcpy(io.buffer, slot, (size_t)io.slot_count * UNIT);
	pager_io_done(w->pager, io.cookie, result, ++w->now_ns);
}

void world_end_capture(struct world *w, uint32_t ticket, int error)
{
	struct world_late *late = &w->late[ticket];
	uint8_t *at = late->bytes;

	assert_true(late->is_used && !late->has_ended);
	for (unsigned i = 0; i < late->count; i++) {
		struct pager_capture *c = &late->run[i];

		c->error = error;
		if (error == 0)
			(void)take_out(w, c->segment, c->unit, c->count,
				       c->to != NULL ? at : NULL);
		at += c->count * UNIT;
	}
	late->has_ended = true;
	pager_capture_done(w->pager, ticket, ++w->now_ns);
}

void world_stick_capture(struct world *w, uint32_t ticket)
{
	assert_true(w->late[ticket].is_used && !w->late[ticket].has_ended);
	w->late[ticket].is_stuck = true;
	pager_capture_stuck(w->pager, ticket, ++w->now_ns);
}

static void end_captures(struct world *w)
{
	for (uint32_t t = 1; t <= PAGER_TICKETS_MAX && !w->keeps_late; t++)
		if (w->late[t].is_used && !w->late[t].has_ended)
			world_end_capture(w, t, 0);
}

void world_run(struct world *w)
{
	unsigned rounds = 0;

	while (pager_run(w->pager, ++w->now_ns))
		assert_true(++rounds < 10000);
	pager_check(w->pager);
}

void world_settle(struct world *w)
{
	unsigned rounds = 0;

	do {
		world_run(w);
		while (w->io_count > 0)
			world_end_io(w, 0, 0);
		end_captures(w);
		assert_true(++rounds < 10000);
		/* Installs that failed are asked for again. */
	} while (pager_run(w->pager, ++w->now_ns) || w->io_count > 0 ||
		 (!w->keeps_late && !pager_is_idle(w->pager)));
	pager_check(w->pager);
}

uint8_t *world_unit(struct world *w, segment_id id, uint64_t unit)
{
	struct world_segment *sg = range_of(w, id, unit, 1);

	assert_true(sg->present[unit]);
	return sg->bytes + unit * UNIT;
}

void world_write(struct world *w, segment_id id, uint64_t unit, uint8_t value)
{
	memset(world_unit(w, id, unit), value, UNIT);
}

static uint64_t page_units(const struct world *w, segment_id id)
{
	return UINT64_C(1) << world_info(w, id).order;
}

void world_fill(struct world *w, segment_id id, uint64_t page, uint8_t value)
{
	uint64_t units = page_units(w, id);

	assert_int_equal(world_fault_wait(w, id, page)->error, 0);
	for (uint64_t i = page * units; i < (page + 1) * units; i++)
		world_write(w, id, i, value);
}

void world_expect(struct world *w, segment_id id, uint64_t page, uint8_t value)
{
	uint64_t units = page_units(w, id);

	assert_int_equal(world_fault_wait(w, id, page)->error, 0);
	for (uint64_t i = page * units; i < (page + 1) * units; i++) {
		const uint8_t *bytes = world_unit(w, id, i);

		for (unsigned k = 0; k < UNIT; k++)
			assert_int_equal(bytes[k], value);
	}
}

void world_page_out(struct world *w, segment_id id, uint64_t first,
		    uint64_t count)
{
	unsigned before = w->done_count;

	(void)world_advise(w, id, first, count, PAGER_PAGEOUT);
	world_settle(w);
	assert_int_equal(w->done_count, before + 1);
	assert_int_equal(w->done[before].result, 0);
}

struct pager_stats world_stats(const struct world *w)
{
	struct pager_stats st;

	pager_stats_get(w->pager, &st);
	return st;
}

struct segment_info world_info(const struct world *w, segment_id id)
{
	struct segment_info info;

	pager_segment_get(w->pager, id, &info);
	return info;
}

uint32_t world_find_slot(const struct world *w, uint8_t value)
{
	for (uint32_t i = 0; i < w->config.slot_count; i++)
		if (w->slots[(size_t)i * UNIT] == value)
			return i;
	fail_msg("no slot holds %u", value);
	return 0;
}
