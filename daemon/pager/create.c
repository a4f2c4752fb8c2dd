/* SPDX-License-Identifier: MIT */
/* pager_create() and pager_destroy(). */
#include "daemon/pager/tables.h"

#include "daemon/pager/victims.h"

#include <errno.h>

static int init_replace(struct pager *pg)
{
	struct replace_config config = {
		.frame_count = pg->config.frame_count,
		.group_count = pg->config.accounts_max,
		.policy = pg->config.replacement,
	};

	return replace_create(&config, &victims_owner, pg, &pg->replace);
}

/* Without areas, one area has all slots. */
static int init_slots(struct pager *pg)
{
	const struct pager_config *c = &pg->config;
	uint32_t first;
	int err = slots_init(&pg->slots, c->slot_count, MAX(c->areas_max, 1u));

	if (err != 0 || c->areas_max != 0)
		return err;
	pg->only_area = slots_add_area(&pg->slots);
	err = slots_add_file(&pg->slots, pg->only_area, c->slot_count, &first);
	ASSERT(err != 0 || first == 0);
	return err;
}

static int init_tables(struct pager *pg)
{
	const struct pager_config *c = &pg->config;
	uint64_t units = (uint64_t)c->frame_count + c->slot_count;
	uint64_t pages = units * 4 + (uint64_t)c->segments_max *
					     PAGES_PER_CHUNK;
	int err;

	pages = MIN(pages, (uint64_t)UINT32_MAX - PAGES_PER_CHUNK);
	pages = (pages / PAGES_PER_CHUNK + 1) * PAGES_PER_CHUNK;
	pg->page_limit = (uint32_t)(pages - PAGES_PER_CHUNK);
	err = table_init(&pg->page_table, "memd-pages", sizeof(*pg->page),
			 pages);
	if (err == 0)
		err = table_init(&pg->chunk_table, "memd-chunks",
				 sizeof(*pg->chunk), pages / PAGES_PER_CHUNK);
	if (err == 0)
		err = table_init(&pg->frame_table, "memd-frames",
				 sizeof(*pg->frame), c->frame_count + 1ul);
	if (err == 0)
		err = table_init(&pg->segment_table, "memd-segments",
				 sizeof(*pg->segment), c->segments_max + 1ul);
	if (err == 0)
		err = table_init(&pg->account_table, "memd-accounts",
				 sizeof(*pg->account), c->accounts_max + 1ul);
	if (err == 0)
		err = table_init(&pg->batch_table, "memd-batches",
				 sizeof(*pg->batch),
				 BATCHES_MAX + PAGER_TICKETS_MAX + 1);
	if (err == 0)
		err = frame_line_init(&pg->slotted_line, "memd-slotted",
				      c->frame_count);
	if (err == 0)
		err = init_replace(pg);
	if (err == 0 && c->slot_count != 0)
		err = init_slots(pg);
	return err;
}

static void set_watermarks(struct pager_config *c)
{
	if (c->low_watermark == 0)
		c->low_watermark = MAX(c->frame_count / 32, 4u);
	if (c->high_watermark <= c->low_watermark)
		c->high_watermark = c->low_watermark * 2;
	c->high_watermark = MIN(c->high_watermark, c->frame_count / 2);
	c->low_watermark = MIN(c->low_watermark, c->high_watermark);
	if (c->lent_max == 0)
		c->lent_max = c->frame_count / 16;
}

static bool is_valid(const struct pager_config *c)
{
	return c->frame_count >= 64 && c->segments_max > 0 &&
	       c->staging != NULL &&
	       (c->areas_max == 0 || c->slot_count != 0) &&
	       c->staging_bytes >= 512 * 1024 &&
	       (uint64_t)c->frame_count + c->slot_count <= PAGER_UNITS_MAX;
}

int pager_create(const struct pager_config *config,
		 const struct pager_ops *ops, void *ops_ctx,
		 const struct pager_callbacks *callbacks, void *callbacks_ctx,
		 struct pager **ret_pager)
{
	size_t half = config->staging_bytes / 2 / PAGER_UNIT_BYTES *
		      PAGER_UNIT_BYTES;
	struct pager *pg;
	int err;

	if (!is_valid(config))
		return -EINVAL;
	pg = calloc(1, sizeof(*pg));
	if (pg == NULL)
		return -ENOMEM;
	pg->config = *config;
	pg->ops = ops;
	pg->ctx = ops_ctx;
	pg->up = callbacks;
	pg->up_ctx = callbacks_ctx;
	set_watermarks(&pg->config);
	err = init_tables(pg);
	if (err != 0) {
		pager_destroy(pg);
		return err;
	}
	pg->page = pg->page_table.base;
	pg->chunk = pg->chunk_table.base;
	pg->frame = pg->frame_table.base;
	pg->segment = pg->segment_table.base;
	pg->account = pg->account_table.base;
	pg->batch = pg->batch_table.base;
	staging_init(&pg->read_staging, config->staging, half);
	staging_init(&pg->write_staging, (uint8_t *)config->staging + half,
		     half);
	pg->frame_free = pg->segment_free = pg->account_free = 1;
	pg->batch_free = 1;
	pg->free_units = config->frame_count;
	pg->teardown_budget = TEARDOWN_UNITS;
	pg->advice_work = ADVICE_WORK_PER_TURN;
	*ret_pager = pg;
	return 0;
}

int pager_set_replacement(struct pager *pg, const char *policy)
{
	return replace_choose(pg->replace, policy);
}

void pager_destroy(struct pager *pg)
{
	if (pg == NULL)
		return;
	slots_fini(&pg->slots);
	replace_destroy(pg->replace);
	frame_line_fini(&pg->slotted_line);
	table_fini(&pg->batch_table);
	table_fini(&pg->account_table);
	table_fini(&pg->segment_table);
	table_fini(&pg->frame_table);
	table_fini(&pg->chunk_table);
	table_fini(&pg->page_table);
	free(pg);
}

uint64_t tables_memory_bytes(const struct pager *pg)
{
	return table_memory_bytes(&pg->page_table) +
	       table_memory_bytes(&pg->chunk_table) +
	       table_memory_bytes(&pg->frame_table) +
	       table_memory_bytes(&pg->segment_table) +
	       table_memory_bytes(&pg->account_table) +
	       table_memory_bytes(&pg->batch_table) +
	       replace_memory_bytes(pg->replace) +
	       table_memory_bytes(&pg->slotted_line.table) +
	       table_memory_bytes(&pg->slots.free_map) +
	       table_memory_bytes(&pg->slots.bad_map) +
	       table_memory_bytes(&pg->slots.next_table) + sizeof(*pg);
}
