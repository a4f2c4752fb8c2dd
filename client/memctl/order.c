/* SPDX-License-Identifier: MIT */
/* The order itself; its file is order_file.c. */
#include "client/memctl/order.h"

#include <string.h>

void order_init(struct order *o)
{
	*o = (struct order){ 0 };
}

void order_fini(struct order *o)
{
	for (uint32_t i = 0; i < o->segment_count; i++)
		page_order_fini(&o->segment[i].pages);
	free(o->segment);
	free(o->step);
	*o = (struct order){ .is_full = true };
}

struct order_segment *order_find(const struct order *o, uint32_t number)
{
	for (uint32_t i = 0; i < o->segment_count; i++)
		if (o->segment[i].number == number)
			return &o->segment[i];
	return NULL;
}

bool order_find_named(const struct order *o, uint32_t number, const char *name,
		      uint32_t *segment_idx)
{
	for (uint32_t n = 0; n < o->segment_count; n++) {
		uint32_t i = (*segment_idx + n) % o->segment_count;

		if (o->segment[i].number == number &&
		    strcmp(o->segment[i].name, name) == 0) {
			*segment_idx = i;
			return true;
		}
	}
	return false;
}

static bool order_grow_segments(struct order *o)
{
	uint32_t capacity = MAX(o->segment_capacity * 2, 8u);
	struct order_segment *segment;

	if (o->segment_count < o->segment_capacity)
		return true;
	if (o->segment_count >= ORDER_SEGMENTS_MAX)
		return false;
	segment = realloc(o->segment, capacity * sizeof(*segment));
	if (segment == NULL)
		return false;
	o->segment = segment;
	o->segment_capacity = capacity;
	return true;
}

struct order_segment *order_add_segment(struct order *o, uint32_t number,
					const char *name)
{
	struct order_segment *segment;

	if (!order_grow_segments(o)) {
		o->is_full = true;
		return NULL;
	}
	segment = &o->segment[o->segment_count++];
	*segment = (struct order_segment){ .number = number };
	snprintf(segment->name, sizeof(segment->name), "%s", name);
	page_order_init(&segment->pages, ORDER_STEPS_MAX,
			UINT64_C(0x9e3779b97f4a7c15));
	return segment;
}

static bool order_grow_steps(struct order *o)
{
	uint32_t capacity = MAX(o->step_capacity * 2, 64u);
	struct order_step *step;

	if (o->step_count < o->step_capacity)
		return true;
	if (o->step_count >= ORDER_STEPS_MAX)
		return false;
	step = realloc(o->step, capacity * sizeof(*step));
	if (step == NULL)
		return false;
	o->step = step;
	o->step_capacity = capacity;
	return true;
}

static bool order_extends_last(const struct order *o, uint32_t segment_idx,
			       uint32_t page)
{
	const struct order_step *last;

	if (o->step_count == 0)
		return false;
	last = &o->step[o->step_count - 1];
	return last->segment_idx == segment_idx &&
	       last->run.first + last->run.count == page;
}

void order_add_run(struct order *o, struct order_segment *segment,
		   struct page_run run)
{
	uint32_t idx = (uint32_t)(segment - o->segment);

	if (order_extends_last(o, idx, run.first)) {
		o->step[o->step_count - 1].run.count += run.count;
	} else if (order_grow_steps(o)) {
		o->step[o->step_count++] = (struct order_step){ idx, run };
	} else {
		o->is_full = true;
		return;
	}
	segment->page_count += run.count;
	o->page_count += run.count;
}

void order_add(struct order *o, struct order_segment *segment, uint64_t first,
	       uint64_t count)
{
	uint64_t end = MIN(first + count, (uint64_t)PAGE_ORDER_END);

	for (uint64_t page = first; page < end && !o->is_full; page++) {
		if (page_order_add(&segment->pages, (uint32_t)page))
			order_add_run(o, segment, (struct page_run){
					(uint32_t)page, 1 });
		o->is_full |= segment->pages.is_full;
	}
}
