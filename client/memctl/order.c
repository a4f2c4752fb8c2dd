/* SPDX-License-Identifier: MIT */
/* The order of pages: see order.h.  order_file.c reads and writes its file. */
#include "client/memctl/order.h"

#include <string.h>

void order_init(struct order *o)
{
	*o = (struct order){ 0 };
}

void order_fini(struct order *o)
{
	for (uint32_t i = 0; i < o->segment_count; i++)
		seen_pages_fini(&o->segment[i].seen);
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

/* Make room for one more element in an array of `count` elements, at most
 * `most`.  Returns the array; NULL: the array is unchanged. */
static void *order_grow(void *array, size_t size, uint32_t count,
			uint32_t *capacity, uint32_t most)
{
	uint32_t wanted = MAX(*capacity * 2, 8u);

	if (count < *capacity)
		return array;
	array = count < most ? realloc(array, wanted * size) : NULL;
	if (array != NULL)
		*capacity = wanted;
	return array;
}

struct order_segment *order_add_segment(struct order *o, uint32_t number,
					const char *name)
{
	struct order_segment *segment;

	segment = order_grow(o->segment, sizeof(*segment), o->segment_count,
			     &o->segment_capacity, ORDER_SEGMENTS_MAX);
	if (segment == NULL) {
		o->is_full = true;
		return NULL;
	}
	o->segment = segment;
	segment += o->segment_count++;
	*segment = (struct order_segment){ .number = number };
	snprintf(segment->name, sizeof(segment->name), "%s", name);
	seen_pages_init(&segment->seen, ORDER_STEPS_MAX);
	return segment;
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
		   struct order_run run)
{
	uint32_t idx = (uint32_t)(segment - o->segment);
	struct order_step *step;

	if (order_extends_last(o, idx, run.first)) {
		o->step[o->step_count - 1].run.count += run.count;
	} else if ((step = order_grow(o->step, sizeof(*step), o->step_count,
				      &o->step_capacity,
				      ORDER_STEPS_MAX)) != NULL) {
		o->step = step;
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
	uint64_t end = MIN(first + count, (uint64_t)ORDER_PAGE_END);

	for (uint64_t page = first; page < end && !o->is_full; page++) {
		if (seen_pages_add(&segment->seen, (uint32_t)page))
			order_add_run(o, segment, (struct order_run){
					(uint32_t)page, 1 });
		o->is_full |= segment->seen.is_full;
	}
}
