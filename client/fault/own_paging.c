/* SPDX-License-Identifier: MIT */
#include "client/fault/own_paging.h"
#include "client/region/told.h"
#include "common/clock.h"

static void end_own(struct paging *pg, struct region *r, uint64_t page,
		    enum own_result result, uint64_t since_ns)
{
	paging_page_is_mapped(pg, r, page);
	if (result == OWN_FOUND)
		touched_add(pg->touched, r, page, clock_now_ns() - since_ns);
}

static void note_reading(struct paging *pg, struct region *r,
			 const struct uffd_fault *uf, struct own_fault *own)
{
	struct fault *f = faults_add(&pg->faults, r, uf->address,
				     pg->session->now_ns +
				     pg->session->settings->timeout_ns);

	f->is_write = uf->is_write;
	own->waiter = f;
	fault_enter_reading(&pg->faults, f, own);
}

/* A program that goes in equal steps asks memd, which reads ahead for it. */
static bool must_ask(struct paging *pg, struct region *r, uint64_t page)
{
	bool must = told_take_edge(r, page) || region_is_stepping(r, page);

	region_note_own(r, page);
	return must || pg->faults.count[FAULT_FREE] == 0;
}

bool own_paging_take_fault(struct paging *pg, const struct uffd_fault *uf)
{
	struct region *r = uf->is_minor ? NULL :
		regions_find(&pg->space->regions, uf->address);
	uint64_t now_ns = pg->session->now_ns, page;
	struct own_fault *own = NULL;
	enum own_result result;

	if (r == NULL || atomic_load(&r->book) == NULL)
		return false;
	page = region_page_at(r, uf->address);
	if (faults_find(&pg->faults, r, page) != NULL || must_ask(pg, r, page))
		return false;
	result = own_faults_begin(&pg->own, r, space_uffd(pg->space, r),
				  uf->address, now_ns, &own);
	if (result == OWN_READING)
		note_reading(pg, r, uf, own);
	else if (result != OWN_ASK)
		end_own(pg, r, page, result, now_ns);
	return result != OWN_ASK;
}

/* memd gets as long for it as for any fault. */
static void leave_to_memd(struct paging *pg, struct fault *f)
{
	const struct session *s = pg->session;
	uint64_t since_ns = s->is_up ? s->now_ns : s->outage_ns;

	fault_postpone(&pg->faults, f, since_ns + s->settings->timeout_ns);
	fault_enter_wanted(&pg->faults, f);
}

void own_paging_run(struct paging *pg)
{
	enum own_result result;
	struct fault *f;

	own_faults_submit(&pg->own);
	own_faults_reap(&pg->own);
	while ((f = own_faults_next(&pg->own, &result)) != NULL) {
		struct region *r = f->region;
		uint64_t page = f->page;

		if (result == OWN_ASK) {
			leave_to_memd(pg, f);
			continue;
		}
		faults_remove(&pg->faults, f);
		end_own(pg, r, page, result, pg->session->now_ns);
	}
}
