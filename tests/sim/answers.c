/* SPDX-License-Identifier: MIT */
/* What the pager answers, judged: every fault and every advice once, to the
 * one who asked, with an error only where there is a reason for it, and with
 * the pages it speaks of where it says they are. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>

static void must_be_refusable(struct sim *sim, const struct sim_fault *ft,
			      const struct fault *reply)
{
	struct sim_segment *sg = segment_by_ordinal(sim, ft->ordinal);
	bool is_there = sg != NULL && sg->state == SIM_SEGMENT_LIVE &&
			ft->page < sg->page_count;

	switch (reply->error) {
	case -EFAULT:
		if (is_there)
			sim_fail(sim, "-EFAULT for a page that exists");
		sim->events[ft->in_call ? SIM_EFAULT_RANGE :
					  SIM_EFAULT_DESTROYED]++;
		return;
	case -EBUSY:
		if (!is_there || !late_is_stuck(sim, sg->id,
						ft->page << sg->order))
			sim_fail(sim, "-EBUSY for a page that is not stuck");
		sim->events[SIM_EBUSY]++;
		return;
	default:
		sim_fail(sim, "a fault is answered with error %d",
			 reply->error);
	}
}

/* A limit below what the segment may hold can be kept only by eviction, and
 * the store was promised to others too. */
static bool is_limited(struct sim *sim, const struct sim_fault *ft)
{
	const struct sim_segment *sg = segment_by_ordinal(sim, ft->ordinal);
	unsigned at = sg == NULL ? 0 : sg->account;

	while (at != 0 && sim->account[at - 1].limit_frames == 0)
		at = sim->account[at - 1].parent;
	return at != 0;
}

/* Commitment is strict, and pins leave half of the pool: only what was not to
 * be foreseen excuses this. */
static void must_be_short(struct sim *sim, const struct sim_fault *ft)
{
	const struct sim_profile *pr = &sim->profile;

	if (sim->disk.bad_slots == 0 &&
	    (sim->is_calm || pr->capture_fail == 0) &&
	    !pr->has_store_faults && !is_limited(sim, ft) &&
	    !late_has_stuck(sim) && !programs_are_busy(sim))
		sim_fail(sim, "-ENOMEM though nothing has failed and nothing "
			 "is limited");
	sim->events[SIM_ENOMEM]++;
}

static void must_be_lost(struct sim *sim, const struct sim_fault *ft,
			 const struct fault *reply)
{
	struct sim_segment *sg = segment_by_ordinal(sim, ft->ordinal);
	struct sim_page *pg;

	if (sg == NULL || ft->page >= sg->page_count)
		sim_fail(sim, "-EIO for a page that does not exist");
	if (reply->kind != FAULT_LOST)
		sim_fail(sim, "-EIO of kind %s", fault_kind_name(reply->kind));
	pg = &sg->page[ft->page];
	if (!pg->is_tainted && !pg->is_lost)
		sim_fail(sim, "s%u page %llu is lost, and nothing has spoilt "
			 "it", sg->ordinal, (unsigned long long)ft->page);
	pg->is_lost = true;
	sim->events[SIM_LOST]++;
}

static void must_be_resident(struct sim *sim, struct sim_segment *sg,
			     uint64_t first, uint64_t count)
{
	uint64_t end = (first + count) << sg->order;

	for (uint64_t i = first << sg->order; i < end; i++) {
		if (!(sg->unit[i].flags & UNIT_PRESENT))
			sim_fail(sim, "s%u pages [%llu, +%llu) are said to be "
				 "there: unit %llu is not", sg->ordinal,
				 (unsigned long long)first,
				 (unsigned long long)count,
				 (unsigned long long)i);
		unit_must_be(sim, sg, i, sg->unit[i].actual, "a reply");
	}
}

static void must_be_good(struct sim *sim, const struct sim_fault *ft,
			 const struct fault *reply)
{
	struct sim_segment *sg = segment_by_ordinal(sim, ft->ordinal);

	if (sg == NULL || sg->state != SIM_SEGMENT_LIVE ||
	    ft->page >= sg->page_count)
		sim_fail(sim, "success for a page that does not exist");
	if (reply->kind >= FAULT_KINDS || reply->kind == FAULT_LOST)
		sim_fail(sim, "success of kind %d", (int)reply->kind);
	if (reply->first > ft->page || reply->count == 0 ||
	    reply->first + reply->count <= ft->page ||
	    reply->first + reply->count > sg->page_count)
		sim_fail(sim, "a reply for page %llu is about [%llu, +%llu)",
			 (unsigned long long)ft->page,
			 (unsigned long long)reply->first,
			 (unsigned long long)reply->count);
	must_be_resident(sim, sg, reply->first, reply->count);
	if (reply->mark == ft->page)
		sim_fail(sim, "the page asked for is the mark");
	sim->seen_ordinal = ft->ordinal;
	sim->seen_page = ft->page;
	sim->events[SIM_ZERO + (unsigned)reply->kind]++;
	sim->events[SIM_AROUND] += reply->count > 1;
	sim->events[SIM_HELD] += reply->kind == FAULT_SWAP_IN &&
				 reply->count > 64;
	sim->events[SIM_LATER] += !ft->in_call;
	sim->events[SIM_SWAP_IN_2M] += reply->kind == FAULT_SWAP_IN &&
				       sg->order == sim_order[3];
}

static void must_have_times(struct sim *sim, const struct sim_fault *ft,
			    const struct fault *reply)
{
	if (reply->start_ns != ft->start_ns ||
	    reply->frame_ns < reply->start_ns ||
	    reply->io_ns < reply->frame_ns || reply->end_ns < reply->io_ns ||
	    reply->end_ns > sim->now_ns)
		sim_fail(sim, "a reply's times do not ascend: %llu %llu %llu "
			 "%llu, asked at %llu, now %llu",
			 (unsigned long long)reply->start_ns,
			 (unsigned long long)reply->frame_ns,
			 (unsigned long long)reply->io_ns,
			 (unsigned long long)reply->end_ns,
			 (unsigned long long)ft->start_ns,
			 (unsigned long long)sim->now_ns);
}

/* The client maps what it was told of, and mostly uses it at once; or it is
 * slow, and finds out later what has become of the page. */
static void client_goes_on(struct sim *sim, const struct sim_fault *ft,
			   const struct fault *reply)
{
	struct sim_segment *sg = segment_by_ordinal(sim, ft->ordinal);
	uint32_t in_page = rng_below(&sim->rng, 1u << sg->order);

	if (rng_chance(&sim->rng, 1, 4))
		return;
	client_told(sim, sg, ft->client, reply->first, reply->count,
		    reply->mark);
	client_touch(sim, sg, ft->client, (ft->page << sg->order) + in_page,
		     ft->is_write);
}

static struct sim_fault *fault_of(struct sim *sim, struct fault *fault)
{
	struct sim_fault *ft = (struct sim_fault *)fault;

	if (!sim->in_pager)
		sim_fail(sim, "a reply from outside of any call");
	if (ft < sim->fault || ft >= sim->fault + SIM_FAULTS_MAX ||
	    !ft->is_used)
		sim_fail(sim, "a reply to a fault that nobody waits for");
	if (ft->id != fault->segment || ft->page != fault->page)
		sim_fail(sim, "a reply to the fault of id %u page %llu is "
			 "about id %u page %llu", ft->id,
			 (unsigned long long)ft->page, fault->segment,
			 (unsigned long long)fault->page);
	return ft;
}

/* Its client need not wait for the reply, and so does not. */
int answer_install_for(void *ctx, struct fault *fault, uint64_t unit,
		       uint64_t count, const void *bytes)
{
	struct sim *sim = ctx;
	struct sim_fault *ft = fault_of(sim, fault);
	const struct sim_segment *sg = segment_by_ordinal(sim, ft->ordinal);
	const struct fault reply = {
		.first = ft->page, .count = 1, .mark = PAGER_NO_PAGE,
	};
	int err;

	if (sg == NULL || ft->is_promised ||
	    count != UINT64_C(1) << sg->order ||
	    unit != ft->page << sg->order)
		sim_fail(sim, "install for the fault of id %u page %llu: unit "
			 "%llu +%llu", ft->id, (unsigned long long)ft->page,
			 (unsigned long long)unit, (unsigned long long)count);
	err = datafile_install(ctx, ft->id, unit, count, bytes);
	if (err != 0)
		return err;
	ft->is_promised = true;
	sim->promised_count++;
	sim->events[SIM_ALONE]++;
	client_goes_on(sim, ft, &reply);
	return 0;
}

static void keep_promise(struct sim *sim, struct sim_fault *ft,
			 const struct fault *reply)
{
	if (reply->error != 0 || reply->first != ft->page ||
	    reply->count != 1 || reply->mark != PAGER_NO_PAGE)
		sim_fail(sim, "page %llu was put in for one fault, whose reply "
			 "is %d [%llu, +%llu) mark %lld",
			 (unsigned long long)ft->page, reply->error,
			 (unsigned long long)reply->first,
			 (unsigned long long)reply->count,
			 (long long)reply->mark);
	ft->is_promised = false;
	sim->promised_count--;
}

void answer_promises_kept(const struct sim *sim)
{
	if (sim->promised_count != 0)
		sim_fail(sim, "%u pages were put in for one fault each, and "
			 "the call ends without their replies",
			 sim->promised_count);
}

/* The record is the simulator's again; what the pager would still read from it
 * is rubbish. */
void answer_fault(void *ctx, struct fault *fault)
{
	struct sim *sim = ctx;
	struct sim_fault *ft = fault_of(sim, fault);
	const struct fault copy = *fault, *reply = &copy;
	bool is_promised = ft->is_promised;

	TRACE(sim, "  reply #%x s%u page %llu: %d %s [%llu, +%llu)",
	      ft->number, ft->ordinal,
	      (unsigned long long)ft->page, reply->error,
	      fault_kind_name(reply->kind), (unsigned long long)reply->first,
	      (unsigned long long)reply->count);
	must_have_times(sim, ft, reply);
	if (reply->error == 0)
		must_be_good(sim, ft, reply);
	else if (reply->error == -EIO)
		must_be_lost(sim, ft, reply);
	else if (reply->error == -ENOMEM)
		must_be_short(sim, ft);
	else
		must_be_refusable(sim, ft, reply);
	if (is_promised)
		keep_promise(sim, ft, reply);
	memset(fault, 0xa5, sizeof(*fault));
	ft->is_used = false;
	sim->fault_count--;
	if (reply->error == 0 && !is_promised)
		client_goes_on(sim, ft, reply);
}

/* Pages have come in that nobody asked for. */
void answer_ready(void *ctx, uint32_t client, segment_id id, uint64_t first,
		  uint64_t count, uint64_t mark)
{
	struct sim *sim = ctx;
	struct sim_segment *sg = segment_by_id(sim, id);

	if (!sim->in_pager)
		sim_fail(sim, "ready() from outside of any call");
	if (sg == NULL || sg->state != SIM_SEGMENT_LIVE || client == 0 ||
	    client > sg->client_count || count == 0 ||
	    first >= sg->page_count || count > sg->page_count - first)
		sim_fail(sim, "ready() for client %u, id %u [%llu, +%llu)",
			 client, id, (unsigned long long)first,
			 (unsigned long long)count);
	TRACE(sim, "  ready client %u s%u [%llu, +%llu) mark %lld", client - 1,
	      sg->ordinal, (unsigned long long)first,
	      (unsigned long long)count, (long long)mark);
	must_be_resident(sim, sg, first, count);
	sim->events[SIM_READY]++;
	sim->events[SIM_READY_PAGES] += count;
	if (rng_chance(&sim->rng, 3, 4))
		client_told(sim, sg, client - 1, first, count, mark);
}

/* A DONTNEED has ended well: its pages are zeros now, unless they have been
 * written since it was asked for. */
static void end_dontneed(struct sim *sim, struct sim_segment *sg,
			 uint64_t unit, bool is_done)
{
	struct unit *u = &sg->unit[unit];
	struct sim_page *pg = &sg->page[unit >> sg->order];
	bool is_sure = is_done && !(u->flags & UNIT_WRITTEN);

	u->flags &= (uint8_t)~(UNIT_DONTNEED | UNIT_WRITTEN);
	pg->is_tainted |= pg->is_lost;
	pg->is_lost = false;
	if (is_sure)
		u->expect = 0;
	else if (u->expect != 0 && !(u->flags & UNIT_PRESENT))
		u->flags |= UNIT_UNSURE;
	if (u->flags & UNIT_PRESENT)
		unit_must_be(sim, sg, unit, u->actual,
			     "a page after DONTNEED");
}

static void refused_dontneed(struct sim_segment *sg, uint64_t unit)
{
	sg->unit[unit].flags &= (uint8_t)~(UNIT_DONTNEED | UNIT_WRITTEN);
}

static void ended_dontneed(struct sim *sim, struct sim_segment *sg,
			   const struct sim_advice *ad, int result,
			   uint64_t count)
{
	uint64_t end = (ad->first + ad->count) << sg->order;

	for (uint64_t i = ad->first << sg->order; i < end; i++)
		if (result != 0 && count == 0)
			refused_dontneed(sg, i);
		else
			end_dontneed(sim, sg, i, result == 0);
}

static void must_be_present(struct sim *sim, struct sim_segment *sg,
			    uint64_t page)
{
	for (uint32_t i = 0; i < 1u << sg->order; i++)
		if (!(sg->unit[(page << sg->order) + i].flags & UNIT_PRESENT))
			sim_fail(sim, "s%u page %llu is pinned and not "
				 "present", sg->ordinal,
				 (unsigned long long)page);
}

/* Pins are counted. */
static void ended_pin(struct sim *sim, struct sim_segment *sg,
		      const struct sim_advice *ad)
{
	for (uint64_t page = ad->first; page < ad->first + ad->count; page++) {
		sg->page[page].pins++;
		must_be_present(sim, sg, page);
	}
}

static void ended_unpin(struct sim *sim, struct sim_segment *sg,
			const struct sim_advice *ad)
{
	for (uint64_t page = ad->first; page < ad->first + ad->count; page++) {
		if (sg->page[page].pins == 0)
			sim_fail(sim, "UNPIN of s%u page %llu, which has no "
				 "pin, succeeds", sg->ordinal,
				 (unsigned long long)page);
		sg->page[page].pins--;
	}
}

static void count_advice(struct sim *sim, const struct sim_advice *ad,
			 int result)
{
	static const enum sim_event done[] = {
		[PAGER_WILLNEED] = SIM_WILLNEED,
		[PAGER_FETCH] = SIM_FETCH,
		[PAGER_DONTNEED] = SIM_DONTNEED,
		[PAGER_COLD] = SIM_COLD,
		[PAGER_PAGEOUT] = SIM_PAGEOUT,
		[PAGER_PIN] = SIM_PIN,
		[PAGER_UNPIN] = SIM_UNPIN,
	};

	sim->events[SIM_ADVICE_LATER] += !ad->in_call;
	sim->events[SIM_ADVICE_EBUSY] += result == -EBUSY;
	sim->events[SIM_ADVICE_ENOMEM] += result == -ENOMEM;
	sim->events[SIM_ADVICE_EIO] += result == -EIO;
	sim->events[SIM_ADVICE_EFAULT] += result == -EFAULT;
	sim->events[SIM_ADVICE_EINVAL] += result == -EINVAL;
	sim->events[SIM_FETCH_SHORT] += result > 0;
	if (result >= 0 && ad->kind >= PAGER_WILLNEED)
		sim->events[done[ad->kind]]++;
}

static bool may_pin_be_refused(const struct sim_segment *sg,
			       const struct sim_advice *ad)
{
	for (uint64_t i = ad->first; i < ad->first + ad->count; i++)
		if (sg->page[i].is_tainted || sg->page[i].is_lost)
			return true;
	return false;
}

/* Each error only where pager.h says so. */
static void must_be_result(struct sim *sim, struct sim_segment *sg,
			   const struct sim_advice *ad, int result)
{
	bool is_live = sg != NULL && sg->state == SIM_SEGMENT_LIVE;
	bool is_range = sg != NULL && ad->first <= sg->page_count &&
			ad->count <= sg->page_count - ad->first;
	bool is_good;

	switch (result) {
	case 0:
	case -EBUSY:
		is_good = is_live && is_range;
		break;
	case -EINVAL:
		is_good = is_live && (!is_range || ad->count == 0 ||
				      ad->kind == PAGER_UNPIN);
		break;
	case -ENOMEM:
		is_good = is_live && is_range && ad->kind == PAGER_PIN;
		break;
	case -EIO:
		is_good = is_live && is_range && ad->kind == PAGER_PIN &&
			  may_pin_be_refused(sg, ad);
		break;
	case -EFAULT:
		is_good = !is_live;
		break;
	default:
		is_good = is_live && is_range && ad->kind == PAGER_FETCH &&
			  result > 0 && (uint64_t)result <= ad->count;
	}
	if (!is_good)
		sim_fail(sim, "advice %d ends with %d", (int)ad->kind, result);
}

void answer_advice(void *ctx, uint64_t cookie, int result, uint64_t count)
{
	struct sim *sim = ctx;
	struct sim_advice *ad = &sim->advice[cookie % SIM_ADVICE_MAX];
	struct sim_segment *sg;

	if (!ad->is_used || ad->cookie != cookie)
		sim_fail(sim, "done() for advice that nobody waits for");
	sg = segment_by_ordinal(sim, ad->ordinal);
	TRACE(sim, "  done advice %d s%u [%llu, +%llu): %d, %llu pages",
	      (int)ad->kind, ad->ordinal, (unsigned long long)ad->first,
	      (unsigned long long)ad->count, result,
	      (unsigned long long)count);
	must_be_result(sim, sg, ad, result);
	if (count > ad->count)
		sim_fail(sim, "advice for %llu pages was done to %llu",
			 (unsigned long long)ad->count,
			 (unsigned long long)count);
	count_advice(sim, ad, result);
	if (sg != NULL && ad->kind == PAGER_DONTNEED && result != -EINVAL)
		ended_dontneed(sim, sg, ad, result, count);
	if (sg != NULL && ad->kind == PAGER_PIN && result == 0)
		ended_pin(sim, sg, ad);
	if (sg != NULL && ad->kind == PAGER_UNPIN && result == 0)
		ended_unpin(sim, sg, ad);
	ad->result = result;
	ad->is_used = false;
	sim->advice_count--;
}

static void must_have_no_faults(const struct sim *sim, uint32_t ordinal)
{
	for (unsigned i = 0; i < SIM_FAULTS_MAX; i++)
		if (sim->fault[i].is_used && sim->fault[i].ordinal == ordinal)
			sim_fail(sim, "s%u is gone with a fault unanswered",
				 ordinal);
}

/* The data file is closed: its pages are the kernel's again. */
void answer_gone(void *ctx, segment_id id)
{
	struct sim *sim = ctx;
	struct sim_segment *sg = segment_by_id(sim, id);

	if (sg == NULL || sg->state != SIM_SEGMENT_DYING)
		sim_fail(sim, "segment_gone() for id %u", id);
	TRACE(sim, "  gone s%u", sg->ordinal);
	must_have_no_faults(sim, sg->ordinal);
	disk_expect_none_of(sim, sg->ordinal);
	late_expect_gone(sim, sg);
	for (uint64_t i = 0; i < sg->unit_count; i++)
		sim->present_units -= (sg->unit[i].flags & UNIT_PRESENT) != 0;
	sim->events[SIM_GONE_LATER] += sg->dying_step != sim->step;
	if (sg->account != 0)
		sim->account[sg->account - 1].segments--;
	area_leave(sim, sg->area);
	free(sg->book);
	free(sg->unit);
	free(sg->page);
	*sg = (struct sim_segment){ 0 };
}
