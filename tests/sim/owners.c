/* SPDX-License-Identifier: MIT */
/* Segments that come and go, the accounts that pay for them, and whether what
 * the pager admits and refuses is what strict commitment and limits say. */
#include "daemon/replace/replace.h"
#include "tests/sim/sim.h"

#include <errno.h>

struct want {
	uint64_t pages, units;
	unsigned order;
	struct sim_account *account;	/* NULL: none */
};

static struct sim_account *account_random(struct sim *sim)
{
	struct sim_account *ac = &sim->account[rng_below(&sim->rng,
							 SIM_ACCOUNTS_MAX)];

	return ac->is_used ? ac : NULL;
}

static struct sim_account *parent_of(struct sim *sim,
				     const struct sim_account *ac)
{
	return ac->parent == 0 ? NULL : &sim->account[ac->parent - 1];
}

static account_id id_of(const struct sim_account *ac)
{
	return ac == NULL ? 0 : ac->id;
}

/* ---- accounts */

static uint64_t limit_random(struct sim *sim)
{
	uint32_t frames = sim->profile.config.frame_count;

	return rng_chance(&sim->rng, 1, 3) ? 0 :
		rng_between(&sim->rng, 1, frames + frames / 4);
}

static uint64_t mapped_limit_random(struct sim *sim)
{
	const struct pager_config *config = &sim->profile.config;

	return rng_chance(&sim->rng, 1, 2) ? 0 :
		rng_between(&sim->rng, 1,
			    config->frame_count + config->slot_count);
}

void owner_add_account(struct sim *sim)
{
	struct sim_account *ac = NULL, *parent = account_random(sim);
	unsigned used = 0;
	int err;

	for (unsigned i = 0; i < SIM_ACCOUNTS_MAX; i++) {
		used += sim->account[i].is_used;
		if (!sim->account[i].is_used)
			ac = &sim->account[i];
	}
	if (ac == NULL)
		return;
	if (parent != NULL && parent->parent != 0)
		parent = NULL;		/* two levels: uid and session */
	ac->limit_frames = limit_random(sim);
	ac->limit_mapped = mapped_limit_random(sim);
	err = pager_account_add(sim->pager, id_of(parent), ac->limit_frames,
				ac->limit_mapped, &ac->id);
	if ((err != 0) != (used == sim->profile.config.accounts_max) ||
	    (err != 0 && err != -EAGAIN))
		sim_fail(sim, "account number %u: %d, at most %u", used + 1,
			 err, sim->profile.config.accounts_max);
	if (err != 0)
		return;
	ac->is_used = true;
	ac->parent = parent == NULL ? 0 :
		     (unsigned)(parent - sim->account) + 1;
	if (parent != NULL)
		parent->children++;
	TRACE(sim, "account %u below %u: %llu frames, %llu mapped", ac->id,
	      id_of(parent), (unsigned long long)ac->limit_frames,
	      (unsigned long long)ac->limit_mapped);
}

static void remove_account(struct sim *sim, struct sim_account *ac)
{
	struct sim_account *parent = parent_of(sim, ac);

	TRACE(sim, "remove account %u", ac->id);
	pager_account_remove(sim->pager, ac->id);
	if (parent != NULL)
		parent->children--;
	*ac = (struct sim_account){ 0 };
}

static void set_limits(struct sim *sim, struct sim_account *ac,
		       uint64_t frames, uint64_t mapped)
{
	struct account_info info;

	pager_account_get(sim->pager, ac->id, &info);
	if (frames != 0 && frames < info.used_frames)
		sim->events[SIM_LIMITED]++;
	ac->limit_frames = frames;
	ac->limit_mapped = mapped;
	TRACE(sim, "limit account %u: %llu frames, %llu mapped", ac->id,
	      (unsigned long long)frames, (unsigned long long)mapped);
	pager_account_limit(sim->pager, ac->id, frames, mapped);
}

static void change_policy(struct sim *sim)
{
	const char *name = replace_policy_name(1 - rng_below(&sim->rng, 2));

	TRACE(sim, "replacement %s", name);
	ASSERT(pager_set_replacement(sim->pager, name) == 0);
	sim->events[SIM_POLICY]++;
}

void owner_change_account(struct sim *sim)
{
	struct sim_account *ac = account_random(sim);

	if (rng_chance(&sim->rng, 1, 16))
		change_policy(sim);
	if (ac == NULL)
		owner_add_account(sim);
	else if (ac->children == 0 && ac->segments == 0 &&
		 rng_chance(&sim->rng, 1, 3))
		remove_account(sim, ac);
	else
		set_limits(sim, ac, limit_random(sim),
			   mapped_limit_random(sim));
}

void owner_lift_limits(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_ACCOUNTS_MAX; i++)
		if (sim->account[i].is_used)
			set_limits(sim, &sim->account[i], 0, 0);
}

/* ---- segments */

static bool is_over_quota(struct sim *sim, const struct want *want)
{
	for (struct sim_account *ac = want->account; ac != NULL;
	     ac = parent_of(sim, ac)) {
		struct account_info info;

		pager_account_get(sim->pager, ac->id, &info);
		if (info.limit_mapped_units != ac->limit_mapped ||
		    info.limit_frames != ac->limit_frames)
			sim_fail(sim, "account %u has not the limits it was "
				 "given", ac->id);
		if (ac->limit_mapped != 0 &&
		    info.mapped_units + want->units > ac->limit_mapped)
			return true;
	}
	return false;
}

static uint64_t room_to_commit(struct sim *sim)
{
	struct pager_stats stats;

	pager_stats_get(sim->pager, &stats);
	if (stats.committed_units >= stats.commit_limit_units)
		return 0;
	return stats.commit_limit_units - stats.committed_units;
}

static unsigned segments_used(const struct sim *sim)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++)
		count += sim->segment[i].state != SIM_SEGMENT_NONE;
	return count;
}

/* What pager.h promises for this request, in the order that does not matter:
 * any error with a reason is right, success only without one. */
static void judge_create(struct sim *sim, const struct want *want, int err)
{
	const struct pager_config *config = &sim->profile.config;
	bool is_full = segments_used(sim) >= config->segments_max;
	bool is_too_large = want->pages == 0 ||
		(UINT64_C(16) << want->order) > config->frame_count;
	bool is_over = is_over_quota(sim, want);
	bool is_committed = want->units > room_to_commit(sim);
	bool is_right = err == -EAGAIN ? is_full :
			err == -EINVAL ? is_too_large :
			err == -EDQUOT ? is_over :
			err == -ENOSPC ? is_committed :
			err == 0 && !is_full && !is_too_large && !is_over &&
				!is_committed;

	if (!is_right)
		sim_fail(sim, "a segment of %llu pages of order %u: %d; full "
			 "%d, too large %d, over quota %d, committed %d",
			 (unsigned long long)want->pages, want->order, err,
			 is_full, is_too_large, is_over, is_committed);
	sim->events[SIM_CREATE_EAGAIN] += err == -EAGAIN;
	sim->events[SIM_CREATE_EINVAL] += err == -EINVAL;
	sim->events[SIM_CREATE_EDQUOT] += err == -EDQUOT;
	sim->events[SIM_CREATE_ENOSPC] += err == -ENOSPC;
}

static void choose_segment(struct sim *sim, struct want *ret_want)
{
	uint64_t room = room_to_commit(sim);
	uint32_t die = rng_below(&sim->rng, 16);
	struct want w = { .account = account_random(sim) };

	w.order = sim_order[rng_below(&sim->rng, sim->profile.orders)];
	if (rng_chance(&sim->rng, 1, 64))
		w.order = sim_order[rng_below(&sim->rng, SIM_ORDERS)];
	if (die < 4)
		w.pages = room >> w.order;
	else if (die == 4)
		w.pages = (room >> w.order) + 1;
	else if (die == 5)
		w.pages = rng_below(&sim->rng, 3);
	else
		w.pages = 1 + rng_below(&sim->rng,
					(uint32_t)(room >> w.order) / 2 + 1);
	w.units = w.pages << w.order;
	*ret_want = w;
}

static void segment_init(struct sim *sim, struct sim_segment *sg,
			 const struct want *want, segment_id id)
{
	*sg = (struct sim_segment){
		.state = SIM_SEGMENT_LIVE,
		.id = id,
		.ordinal = sim->next_ordinal++,
		.order = want->order,
		.page_count = want->pages,
		.unit_count = want->units,
		.unit = calloc(want->units, sizeof(*sg->unit)),
		.page = calloc(want->pages, sizeof(*sg->page)),
		.client_count = rng_between(&sim->rng, 1, SIM_CLIENTS_MAX),
		.account = want->account == NULL ? 0 :
			   (unsigned)(want->account - sim->account) + 1,
	};
	ASSERT(sg->unit != NULL && sg->page != NULL);
	ASSERT(sg->ordinal < PATTERN_SEGMENTS &&
	       sg->unit_count < PATTERN_UNITS);
	sg->hot_count = 1 + rng_below(&sim->rng, (uint32_t)want->pages);
	sg->hot_first = rng_below(&sim->rng,
				  (uint32_t)(want->pages - sg->hot_count + 1));
	if (want->account != NULL)
		want->account->segments++;
}

static void count_created(struct sim *sim, const struct sim_segment *sg)
{
	sim->events[SIM_CREATED]++;
	sim->events[SIM_CREATED_16K] += sg->order == sim_order[1];
	sim->events[SIM_CREATED_64K] += sg->order == sim_order[2];
	sim->events[SIM_CREATED_2M] += sg->order == sim_order[3];
	sim->events[SIM_FULLY_COMMITTED] += room_to_commit(sim) == 0;
}

void owner_create_segment(struct sim *sim)
{
	struct sim_segment *sg = sim->segment;
	uint64_t serial = sim->seed << 32 | sim->next_ordinal;
	struct want want;
	segment_id id = 0;
	area_id area;
	int err;

	choose_segment(sim, &want);
	if (!areas_make_room(sim, want.units, &area)) {
		sim->events[SIM_AREA_FULL]++;
		return;
	}
	err = pager_segment_create(sim->pager, serial,
				   want.pages, want.order,
				   id_of(want.account), area, &id);
	TRACE(sim, "create s%u: %llu pages of order %u, account %u: %d, id %u",
	      sim->next_ordinal, (unsigned long long)want.pages, want.order,
	      id_of(want.account), err, id);
	if (err != 0) {
		judge_create(sim, &want, err);
		return;
	}
	if (id == 0 || segment_by_id(sim, id) != NULL)
		sim_fail(sim, "the new segment's id %u is not new", id);
	while (sg->state != SIM_SEGMENT_NONE)
		sg++;
	segment_init(sim, sg, &want, id);
	sg->serial = serial;
	sg->area = area;
	programs_publish(sim, sg);
	area_use(sim, area);
	count_created(sim, sg);
}

void owner_destroy_segment(struct sim *sim, struct sim_segment *sg)
{
	uint32_t ordinal = sg->ordinal;

	programs_leave(sim, sg);
	TRACE(sim, "destroy s%u", ordinal);
	sg->state = SIM_SEGMENT_DYING;
	sg->dying_step = sim->step;
	sim->events[SIM_DESTROYED]++;
	sim->in_pager = true;
	pager_segment_destroy(sim->pager, sg->id);
	sim->in_pager = false;
	answer_promises_kept(sim);
	for (unsigned i = 0; i < SIM_FAULTS_MAX; i++)
		if (sim->fault[i].is_used && sim->fault[i].ordinal == ordinal)
			sim_fail(sim, "s%u is destroyed and a fault of it "
				 "waits", ordinal);
}
