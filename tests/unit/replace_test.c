/* SPDX-License-Identifier: MIT */
/* Proves: whatever happens to frames, the replacement room's links and counts
 * agree; it offers only frames that are used and may go; where one may go, a
 * search finds it; pages that are used again stay, and pages of a scan do not
 * push them out; a search in a group looks at no others' frames; a change of
 * the policy loses nothing. */
#include "daemon/replace/replace.h"
#include "tests/tier.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 200, GROUPS = 5, KEYS = 4000 };

/* The owner, with what it knows outside of the room. */
struct owner {
	struct replace *rp;
	uint64_t rng;
	group_id group[FRAMES + 1];	/* of each frame; 0: not used */
	bool is_held[FRAMES + 1];	/* may not go */
	bool is_mapped[FRAMES + 1];
	uint32_t left[KEYS];		/* replace_leave() of each page */
	unsigned aged;
};

static uint32_t below(struct owner *o, uint32_t count)
{
	o->rng = o->rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((o->rng >> 33) % count);
}

static bool age_frame_of(void *ctx, frame_id frame)
{
	struct owner *o = ctx;

	assert_true(o->group[frame] != 0);
	if (o->is_held[frame])
		return false;
	o->is_mapped[frame] = false;
	o->aged++;
	return true;
}

static bool may_go(void *ctx, frame_id frame)
{
	const struct owner *o = ctx;

	assert_true(o->group[frame] != 0);
	return !o->is_held[frame];
}

static void start(struct owner *o, const char *policy, uint64_t seed)
{
	static const struct replace_owner owner = { age_frame_of, may_go };
	struct replace_config config = { FRAMES, GROUPS, policy };

	*o = (struct owner){ .rng = seed };
	assert_int_equal(replace_create(&config, &owner, o, &o->rp), 0);
	/* 1 above 2 and 3; 4 above 5. */
	replace_group_add(o->rp, 1, 0);
	replace_group_add(o->rp, 2, 1);
	replace_group_add(o->rp, 3, 1);
	replace_group_add(o->rp, 4, 0);
	replace_group_add(o->rp, 5, 4);
}

/* Page `key` comes in. */
static void add_frame(struct owner *o, frame_id frame, group_id group,
		      uint32_t key)
{
	o->group[frame] = group;
	o->is_held[frame] = false;
	o->is_mapped[frame] = true;
	replace_add(o->rp, group, frame, o->left[key]);
}

static void drop(struct owner *o, frame_id frame)
{
	replace_remove(o->rp, o->group[frame], frame);
	o->group[frame] = 0;
}

/* Page `key` leaves. */
static void evict_frame(struct owner *o, frame_id frame, uint32_t key)
{
	o->left[key] = replace_leave(o->rp, frame);
	drop(o, frame);
}

static void use_frame(struct owner *o, frame_id frame)
{
	if (!o->is_mapped[frame])
		replace_touch(o->rp, frame);
	o->is_mapped[frame] = true;
}

static bool is_below(group_id group, group_id outer)
{
	static const group_id parent[GROUPS + 1] = { 0, 0, 1, 1, 0, 4 };

	while (group != 0 && group != outer)
		group = parent[group];
	return group == outer;
}

static unsigned count_below(const struct owner *o, group_id group,
			    bool is_free)
{
	unsigned count = 0;

	for (frame_id id = 1; id <= FRAMES; id++)
		count += o->group[id] != 0 && is_below(o->group[id], group) &&
			 !(is_free && o->is_held[id]);
	return count;
}

static frame_id search(struct owner *o, group_id group, bool takes_any)
{
	struct replace_search s = { .looks_left = 10 * FRAMES,
				    .takes_any = takes_any };
	unsigned aged = o->aged;
	frame_id id = replace_next(o->rp, group, &s);

	assert_true(s.looks <= 4 * FRAMES);
	assert_true(o->aged - aged <= 8 * s.looks);
	if (id == 0) {
		assert_int_equal(count_below(o, group, true), 0);
		assert_true(s.is_vain);
		return 0;
	}
	assert_true(o->group[id] != 0 && !o->is_held[id]);
	assert_true(is_below(o->group[id], group));
	return id;
}

static void do_something(struct owner *o)
{
	frame_id frame = 1 + below(o, FRAMES), victim;
	bool is_used = o->group[frame] != 0;

	switch (below(o, 12)) {
	case 0:
		if (is_used)
			drop(o, frame);
		break;
	case 1:
		if (is_used)
			replace_cool(o->rp, frame);
		break;
	case 2:
		if (is_used)
			replace_pass(o->rp, frame);
		break;
	case 3:
		o->is_held[frame] = is_used && below(o, 2) == 0;
		break;
	case 4:
	case 5:
		victim = search(o, below(o, GROUPS + 1), below(o, 8) == 0);
		if (victim == 0 || below(o, 4) == 0)
			break;
		if (below(o, 4) == 0) {
			(void)!replace_leave(o->rp, victim);
			replace_check(o->rp, 1);
			if (below(o, 2) == 0)
				replace_touch(o->rp, victim);
			else
				replace_stay(o->rp, victim);
		} else {
			evict_frame(o, victim, victim + below(o, 3) * FRAMES);
		}
		break;
	default:
		if (is_used) {
			use_frame(o, frame);
			break;
		}
		add_frame(o, frame, 1 + below(o, GROUPS),
			  frame + below(o, 3) * FRAMES);
		if (below(o, 3) == 0)
			replace_expect(o->rp, frame);
	}
}

static void anything_may_happen(void **state)
{
	const char *policy;

	(void)state;
	for (unsigned i = 0; (policy = replace_policy_name(i)) != NULL; i++)
		for (uint64_t seed = 0; seed < 40; seed++) {
			struct owner o;

			start(&o, policy, seed + tier_seed());
			for (unsigned n = 0; n < 4000; n++) {
				do_something(&o);
				if (n % 16 == 0)
					replace_check(o.rp, 0);
			}
			for (group_id g = 1; g <= GROUPS; g++)
				assert_int_equal(
					replace_frames_below(o.rp, g),
					count_below(&o, g, false));
			replace_destroy(o.rp);
		}
}

static void policies_change(void **state)
{
	struct owner o;

	(void)state;
	start(&o, NULL, 1);
	assert_int_equal(replace_choose(o.rp, "nonsense"), -EINVAL);
	for (unsigned n = 0; n < 400; n++) {
		for (unsigned k = 0; k < 100; k++)
			do_something(&o);
		assert_int_equal(replace_choose(o.rp, replace_policy_name(
					below(&o, 2))), 0);
		replace_check(o.rp, 0);
	}
	/* All can still be found. */
	memset(o.is_held, 0, sizeof(o.is_held));
	for (unsigned left = count_below(&o, 0, false); left > 0; left--)
		drop(&o, search(&o, 0, false));
	assert_int_equal(search(&o, 0, false), 0);
	replace_destroy(o.rp);
}

/* Fill the pool; then HOT pages are used all the time while others come once
 * each.  Returns how many hot ones were lost on the way. */
static unsigned losses_beside_scan(const char *policy)
{
	enum { HOT = 60, SCANNED = 2000, WARM_UP = 400 };
	frame_id hot[HOT];
	unsigned losses = 0;
	struct owner o;

	start(&o, policy, 1);
	for (frame_id id = 1; id <= FRAMES; id++)
		add_frame(&o, id, 2, id);
	for (unsigned i = 0; i < HOT; i++)
		hot[i] = 1 + i * 3;
	for (uint32_t n = 0; n < SCANNED; n++) {
		frame_id victim = search(&o, 0, false);

		for (unsigned i = 0; i < HOT; i++) {
			bool is_lost = hot[i] == victim;

			/* It comes back in the frame of another. */
			losses += is_lost && n >= WARM_UP;
			if (!is_lost)
				use_frame(&o, hot[i]);
		}
		evict_frame(&o, victim, victim);
		add_frame(&o, victim, 2, victim <= FRAMES && n < WARM_UP ?
			  victim : 1000 + n);
	}
	replace_destroy(o.rp);
	return losses;
}

static void scans_push_nothing_out(void **state)
{
	(void)state;
	assert_true(losses_beside_scan("lirs") <= 3);
}

/* Passes in order over twice the pool.  Returns how many pages of the last one
 * were not there. */
static unsigned misses_of_loop(const char *policy)
{
	enum { PASSES = 6, PAGES = 2 * FRAMES };
	frame_id at[PAGES] = { 0 };
	uint32_t key_of[FRAMES + 1] = { 0 };
	unsigned misses = 0;
	struct owner o;

	start(&o, policy, 1);
	for (unsigned n = 0; n < PASSES * PAGES; n++) {
		uint32_t key = n % PAGES;
		frame_id id = at[key];

		if (id != 0) {
			use_frame(&o, id);
			continue;
		}
		id = n < FRAMES ? n + 1 : search(&o, 0, false);
		if (n >= FRAMES) {
			at[key_of[id]] = 0;
			evict_frame(&o, id, key_of[id]);
		}
		add_frame(&o, id, 1, key);
		at[key] = id;
		key_of[id] = key;
		misses += n >= (PASSES - 1) * PAGES;
	}
	replace_destroy(o.rp);
	return misses;
}

/* Of so small a pool, the small queue takes a large part. */
static void half_a_loop_stays(void **state)
{
	(void)state;
	assert_true(misses_of_loop("two-hands") == 2 * FRAMES);
	assert_true(misses_of_loop("lirs") <= 2 * FRAMES * 3 / 4);
}

/* The pool is full of pages that nobody uses any more.  They give way to a loop
 * over half of it. */
static void old_pages_give_way(void **state)
{
	enum { PAGES = FRAMES / 2, PASSES = 12 };
	uint32_t key_of[FRAMES + 1] = { 0 };
	frame_id at[PAGES] = { 0 };
	unsigned misses = 0;
	struct owner o;

	(void)state;
	start(&o, "lirs", 1);
	for (frame_id id = 1; id <= FRAMES; id++) {
		add_frame(&o, id, 1, 1000 + id);
		key_of[id] = PAGES;
	}
	for (unsigned n = 0; n < PASSES * PAGES; n++) {
		uint32_t key = n % PAGES;
		frame_id id = at[key];

		if (id != 0) {
			use_frame(&o, id);
			continue;
		}
		id = search(&o, 0, false);
		if (key_of[id] < PAGES)
			at[key_of[id]] = 0;
		evict_frame(&o, id, key_of[id]);
		add_frame(&o, id, 1, key);
		at[key] = id;
		key_of[id] = key;
		misses += n >= (PASSES - 1) * PAGES;
	}
	assert_int_equal(misses, 0);
	replace_destroy(o.rp);
}

/* A group of four frames beside a full pool. */
static void groups_cost_their_own(void **state)
{
	struct replace_search s = { .looks_left = 1000 };
	struct owner o;

	(void)state;
	start(&o, NULL, 1);
	for (frame_id id = 1; id <= FRAMES; id++)
		add_frame(&o, id, id % 50 == 0 ? 3 : 5, id);
	for (unsigned i = 0; i < 4; i++) {
		frame_id victim = replace_next(o.rp, 3, &s);

		assert_int_equal(victim % 50, 0);
		drop(&o, victim);
	}
	assert_int_equal(replace_next(o.rp, 3, &s), 0);
	assert_true(s.looks <= 16);
	replace_destroy(o.rp);
}

/* Frames that may not go do not hide the others: one is found before what is
 * referenced must go. */
static void held_frames_hide_nothing(void **state)
{
	enum { HELD = 150, LOOKS_MOST = 2 * FRAMES };
	struct replace_search s = { .looks_left = 1000 };
	struct owner o;

	(void)state;
	start(&o, "lirs", 1);
	for (frame_id id = 1; id <= FRAMES; id++) {
		add_frame(&o, id, 1, id);
		o.is_held[id] = id <= HELD;
	}
	assert_true(replace_next(o.rp, 0, &s) > HELD);
	assert_true(s.looks <= LOOKS_MOST);
	replace_destroy(o.rp);
}

/* Pages that a reader in order has passed go without being aged, even if they
 * were touched meanwhile: reports of that may come late. */
static void passed_pages_go_unasked(void **state)
{
	enum { GO = 10 };
	struct owner o;

	(void)state;
	start(&o, "lirs", 1);
	for (frame_id id = 1; id <= FRAMES; id++) {
		add_frame(&o, id, 1, id);
		replace_expect(o.rp, id);
		replace_touch(o.rp, id);
		replace_pass(o.rp, id);
		replace_touch(o.rp, id);
	}
	for (unsigned n = 0; n < GO; n++) {
		frame_id victim = search(&o, 0, false);

		assert_true(o.is_mapped[victim]);
		assert_true(replace_is_idle(o.rp, victim));
		evict_frame(&o, victim, victim);
	}
	replace_destroy(o.rp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything_may_happen),
		cmocka_unit_test(policies_change),
		cmocka_unit_test(scans_push_nothing_out),
		cmocka_unit_test(half_a_loop_stays),
		cmocka_unit_test(old_pages_give_way),
		cmocka_unit_test(groups_cost_their_own),
		cmocka_unit_test(held_frames_hide_nothing),
		cmocka_unit_test(passed_pages_go_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
