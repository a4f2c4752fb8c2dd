/* SPDX-License-Identifier: MIT */
#include "daemon/pager/fill.h"

#include "daemon/pager/page.h"
#include <string.h>

enum { FILL_SLOTS = 64 };	/* written in one request */

void fill_note_chain(struct pager *pg, slot_id slot)
{
	uint32_t file;

	if (!pg->config.fills_files)
		return;
	for (; slot != SLOT_NONE; slot = slots_next(&pg->slots, slot))
		if (slots_note_written(&pg->slots, slot, &file))
			pg->up->file_filled(pg->up_ctx,
					    slots_file_area(&pg->slots, file),
					    file);
}

/* Staging for zeros: only what nobody needs now. */
static batch_id fill_begin(struct pager *pg)
{
	batch_id id = batch_get(pg, BATCH_FILL, 0);
	struct batch *b = &pg->batch[id];

	if (id == 0)
		return 0;
	b->staging_count = staging_get(&pg->write_staging,
				       staging_all(&pg->write_staging), 1,
				       FILL_SLOTS, &b->staging_first);
	if (b->staging_count != 0)
		return id;
	batch_put(pg, id);
	return 0;
}

void fill_run(struct pager *pg)
{
	struct batch *b;
	batch_id id;
	uint32_t count;

	if (pg->fill_batch != 0 || pg->slots.filling == 0 ||
	    pg->write_staging.used_count != 0)
		return;
	id = fill_begin(pg);
	if (id == 0)
		return;
	b = &pg->batch[id];
	count = slots_take_unwritten(&pg->slots, b->staging_count,
				     &b->slot[0]);
	memset(batch_bytes(pg, b, 0), 0, (size_t)count * PAGER_UNIT_BYTES);
	b->fill_count = count;
	if (count == 0 || !batch_submit_fill(pg, id)) {
		if (count != 0)
			slots_put_chain(&pg->slots, b->slot[0]);
		batch_put(pg, id);
		return;
	}
	pg->fill_batch = id;
	pg->stats.slots_filled += count;
}

void fill_finish(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	slot_id slot = b->slot[0];

	ASSERT(pg->fill_batch == id);
	pg->fill_batch = 0;
	if (b->failed != 0 && batch_spares_slot(b->error[0])) {
		/* Not now: the next write into the file queues it again. */
		slots_fill_forget(&pg->slots,
				  slots_file_at(&pg->slots, slot - 1));
		slots_put_chain(&pg->slots, slot);
	} else {
		fill_note_chain(pg, slot);
		if (b->failed == 0)
			slots_put_chain(&pg->slots, slot);
		else
			slots_quarantine_chain(&pg->slots, slot);
	}
	batch_put(pg, id);
}
