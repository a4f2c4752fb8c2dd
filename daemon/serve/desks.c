/* SPDX-License-Identifier: MIT */
#include "daemon/serve/desks.h"

#include "common/clock.h"
#include "daemon/net/conn_output.h"
#include "daemon/stats/stats.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	/* Frames lent to a session: at first, and at most. */
	LENT_FIRST = 32,
	LENT_MOST = 512,
	/* When all but this part of them are used, it rings. */
	LOW_PART = 4,
};

enum { SEGMENTS_ALL = UINT32_MAX };	/* segment_count: not known */

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool had_segment(const struct session_desk *sd, uint32_t number)
{
	return sd->segment_count == SEGMENTS_ALL ||
	       (sd->segment_count != 0 &&
		bsearch(&number, sd->segments, sd->segment_count,
			sizeof(number), compare_numbers) != NULL);
}

/* ---- what a desk asks */

/* A session that has ended had what it says, perhaps. */
static segment_id find_segment(void *ctx, uint32_t number)
{
	const struct session_desk *sd = ctx;
	const struct segment *segment =
		segments_find_id(sd->all->segments, number);

	if (segment == NULL || segment->book.entries == NULL ||
	    (sd->session != NULL ? !sd->all->may_write(sd->session, number) :
				   !had_segment(sd, number)))
		return 0;
	return segment->pager_id;
}

static int is_present(void *ctx, segment_id segment, uint64_t page)
{
	const struct session_desk *sd = ctx;

	return pager_has_page(sd->all->engine->pager, segment, page) ?
	       backing_is_present(sd->all->engine->backing, segment, page) : 0;
}

static void take_record(void *ctx, const struct desk_record *r)
{
	struct session_desk *sd = ctx;

	sd->records++;
	sd->counted += r->is_counted;
	sd->all->stats->faults_one_sided++;
	histogram_add(&sd->all->stats->kind[r->kind], r->total_ns);
	if (sd->session != NULL)
		sd->all->note(sd->session, r);
}

static const struct desk_ops desk_ops = {
	.find = find_segment,
	.is_present = is_present,
	.record = take_record,
};

/* ---- made and gone */

void desks_init(struct desks *ds)
{
	LIST_INIT(&ds->live);
	LIST_INIT(&ds->kept);
}

/* With all its memory, so that where there is none it is an error here. */
static int make_desk_file(int *ret_fd)
{
	int fd = memfd_create("memd-desk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, sizeof(struct desk)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static struct session_desk *desk_create(struct desks *ds,
					struct account *account, int fd)
{
	struct session_desk *sd = calloc(1, sizeof(*sd));
	void *at = sd == NULL ? MAP_FAILED :
		mmap(NULL, sizeof(struct desk), PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		free(sd);
		return NULL;
	}
	/* Helper processes must not keep it. */
	(void)madvise(at, sizeof(struct desk), MADV_DONTFORK);
	sd->all = ds;
	sd->account = account;
	sd->file = fd;
	account_hold(account);
	desk_init(&sd->side, at, ds->engine->pager, account->id, &desk_ops,
		  sd);
	LIST_INSERT_HEAD(&ds->live, sd, link);
	ds->file_count++;
	return sd;
}

int desks_open(struct desks *ds, struct session *s, struct conn *main,
	       struct account *account, struct session_desk **ret_desk,
	       int *ret_fd)
{
	struct session_desk *sd;
	int fd = -1, err = make_desk_file(&fd);

	if (err != 0)
		return err;
	sd = desk_create(ds, account, fd);
	if (sd == NULL) {
		close(fd);
		return -ENOMEM;
	}
	sd->session = s;
	sd->main = main;
	*ret_desk = sd;
	*ret_fd = fd;
	return 0;
}

static void drop_file(struct session_desk *sd)
{
	if (sd->file < 0)
		return;
	close(sd->file);
	sd->file = -1;
	sd->all->file_count--;
}

void desks_remember(struct session_desk *sd, uint32_t segment_number)
{
	uint32_t *segments = sd->segments;

	if (sd->segment_count == SEGMENTS_ALL)
		return;
	if (sd->segment_count == sd->segment_room) {
		sd->segment_room = MAX(sd->segment_room * 2, 16u);
		segments = realloc(segments, sd->segment_room *
					     sizeof(*segments));
		if (segments == NULL) {
			sd->segment_count = SEGMENTS_ALL;
			return;
		}
		sd->segments = segments;
	}
	segments[sd->segment_count++] = segment_number;
}

void desks_leave(struct session_desk *sd)
{
	if (sd->segment_count != SEGMENTS_ALL && sd->segment_count != 0)
		qsort(sd->segments, sd->segment_count, sizeof(uint32_t),
		      compare_numbers);
	sd->session = NULL;
	sd->main = NULL;
	LIST_REMOVE(sd, link);
	LIST_INSERT_HEAD(&sd->all->kept, sd, link);
	drop_file(sd);
	(void)desk_collect(&sd->side, clock_now_ns());
	desk_recall(&sd->side);
}

static void desk_destroy(struct session_desk *sd)
{
	desk_end(&sd->side, clock_now_ns());
	LIST_REMOVE(sd, link);
	munmap(sd->side.desk, sizeof(struct desk));
	account_put(sd->all->accounts, sd->account);
	engine_wake(sd->all->engine);
	free(sd->segments);
	free(sd);
}

void desks_end(struct session_desk *first)
{
	while (first != NULL) {
		struct session_desk *next = first->next_kept;

		desk_destroy(first);
		first = next;
	}
}

void desks_fini(struct desks *ds)
{
	struct session_desk *sd;

	while ((sd = LIST_FIRST(&ds->live)) != NULL)
		desks_leave(sd);
	while ((sd = LIST_FIRST(&ds->kept)) != NULL)
		desk_destroy(sd);
}

/* ---- lending */

/* The client has mapped it, so now is the time to forbid what it may have done
 * until now: to punch holes, each of which would be a SIGBUS here where the
 * kernel has no memory to fill it with. */
bool desks_seal(struct session_desk *sd)
{
	bool is_sealed;

	if (sd->file < 0)
		return true;
	is_sealed = fcntl(sd->file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE |
						 F_SEAL_SEAL) == 0 &&
		    fallocate(sd->file, 0, 0, sizeof(struct desk)) == 0;
	drop_file(sd);
	return is_sealed;
}

/* The most x for which own + x <= 2 * (left - x), rounded up: so that the last
 * ones are lent, too. */
static uint64_t more_of(uint64_t left, uint64_t own)
{
	return 2 * left > own ? DIV_ROUND_UP(2 * left - own, 3) : 0;
}

/* J2 */
static uint32_t most_of(const struct session_desk *sd)
{
	struct pager_loans loans = pager_loans_get(sd->all->engine->pager,
						   sd->account->parent->id);
	uint64_t own = sd->side.given_count;
	uint64_t left = more_of(loans.left, loans.of_account);

	return (uint32_t)(own + more_of(left, own));
}

uint32_t desks_serve(struct session_desk *sd)
{
	struct desk_side *side = &sd->side;
	uint32_t had = side->given_count, count;

	if (sd->file >= 0)
		return 0;
	count = desk_collect(side, clock_now_ns());
	if (side->wanted == 0)
		side->wanted = LENT_FIRST;
	else if (had != 0 && sd->counted >= had / 2)
		side->wanted = MIN(side->wanted * 2, (uint32_t)LENT_MOST);
	sd->counted = 0;
	side->most = sd->is_barred ? 0 : most_of(sd);
	atomic_store(&side->desk->is_rung, 0);
	desk_lend(side);
	atomic_store_explicit(&side->desk->low, side->given_count / LOW_PART,
			      memory_order_relaxed);
	if (count != 0)
		engine_wake(sd->all->engine);
	return count;
}

bool desks_bar(struct session_desk *sd, bool is_barred)
{
	if (sd->is_barred == is_barred)
		return false;
	sd->is_barred = is_barred;
	if (is_barred)
		desk_recall(&sd->side);
	return true;
}

void desks_recall(struct desks *ds)
{
	struct session_desk *sd;

	LIST_FOREACH(sd, &ds->live, link)
		if (sd->side.given_count != 0)
			desk_recall(&sd->side);
}

void desks_count(struct desks *ds)
{
	struct session_desk *sd;

	LIST_FOREACH(sd, &ds->live, link)
		if (sd->side.given_count != 0)
			(void)desk_collect(&sd->side, clock_now_ns());
}

static void desk_tick(struct session_desk *sd)
{
	(void)desk_collect(&sd->side, clock_now_ns());
	if (sd->records == 0) {
		desk_recall(&sd->side);
		sd->side.wanted = 0;
	}
	sd->records = 0;
}

void desks_tick(struct desks *ds)
{
	struct session_desk *sd;

	LIST_FOREACH(sd, &ds->live, link)
		if (sd->side.given_count != 0)
			desk_tick(sd);
}

bool desks_settle(struct desks *ds, const struct segment *segment)
{
	const struct desk_user *user;
	struct session_desk *sd;
	uint64_t now_ns = clock_now_ns();
	bool is_settled = true;

	if (segment->book.entries == NULL)
		return true;
	LIST_FOREACH(user, &segment->desk_users, link)
		is_settled &= desk_settle(&user->desk->side, segment->pager_id,
					  now_ns);
	LIST_FOREACH(sd, &ds->kept, link)
		if (had_segment(sd, segment->id))
			is_settled &= desk_settle(&sd->side,
						  segment->pager_id, now_ns);
	return is_settled;
}

uint64_t desks_uncounted_most(const struct desks *ds,
			      const struct segment *segment)
{
	const struct desk_user *user;
	const struct session_desk *sd;
	uint64_t count = 0;

	if (segment->book.entries == NULL)
		return 0;
	LIST_FOREACH(user, &segment->desk_users, link)
		count += user->desk->side.given_count;
	LIST_FOREACH(sd, &ds->kept, link)
		if (had_segment(sd, segment->id))
			count += sd->side.given_count;
	return count;
}

/* ---- who is faulting: K1 in proto/desk.h */

static uint64_t open_intents(const struct desks *ds,
			     const struct segment *segment, uint64_t first,
			     uint32_t count)
{
	const struct desk_user *user;
	const struct session_desk *sd;
	uint64_t open = 0;

	LIST_FOREACH(user, &segment->desk_users, link)
		open |= desk_look(&user->desk->side, segment->id, first,
				  count);
	LIST_FOREACH(sd, &ds->kept, link)
		if (had_segment(sd, segment->id))
			open |= desk_look(&sd->side, segment->id, first,
					  count);
	return open;
}

bool desks_close_book(struct desks *ds, const struct segment *segment)
{
	const struct book_entry *end;
	const struct desk_user *user;
	const struct session_desk *sd;
	bool is_open = false;

	if (segment->book.entries == NULL)
		return true;
	end = &segment->book.entries[segment->page_count];
	atomic_store((_Atomic uint32_t *)&end->state, BOOK_BUSY);
	atomic_thread_fence(memory_order_seq_cst);
	LIST_FOREACH(user, &segment->desk_users, link)
		is_open |= desk_has_open(&user->desk->side, segment->id);
	LIST_FOREACH(sd, &ds->kept, link)
		is_open |= had_segment(sd, segment->id) &&
			   desk_has_open(&sd->side, segment->id);
	return !is_open;
}

void desks_look(struct desks *ds, struct pager_claim *claim, unsigned count)
{
	desk_fence();
	for (unsigned i = 0; i < count; i++) {
		const struct segment *segment = claim[i].count == 0 ? NULL :
			segments_find_pager_id(ds->segments, claim[i].segment);

		if (segment != NULL)
			claim[i].open = open_intents(ds, segment,
						     claim[i].first,
						     claim[i].count);
	}
}

void desks_add_user(struct desk_user *user, struct session_desk *sd,
		    struct segment *segment)
{
	if (sd == NULL || user->desk != NULL || segment->book.entries == NULL)
		return;
	user->desk = sd;
	LIST_INSERT_HEAD(&segment->desk_users, user, link);
}

void desks_remove_user(struct desk_user *user)
{
	if (user->desk != NULL)
		LIST_REMOVE(user, link);
	user->desk = NULL;
}
