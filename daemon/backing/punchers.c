/* SPDX-License-Identifier: MIT */
#include "daemon/backing/punchers.h"

#include "common/clock.h"
#include "daemon/backing/punch_helper.h"
#include "daemon/backing/puncher.h"
#include <errno.h>

_Static_assert((int)PUNCHES_MAX <= (int)HANDOVER_RUNS_MAX,
	       "all punches are handed over at once");

/* READY punchers below which a distrusted owner is not served */
enum { MIN_FREE = 3 };

#define PATIENCE_DISTRUSTED_NS	UINT64_C(100000000)

/* Least time between two starts of one puncher: if something ends helpers again
 * and again, memd must not spend its time on them. */
#define RENEWAL_NS		UINT64_C(1000000000)

/* The active puncher's descriptor of a file.  It is valid in that
 * generation. */
struct known_file {
	uint32_t generation;
	int fd;
};

struct punchers {
	struct puncher all[PUNCHERS];
	struct puncher *active;
	uint32_t generation;		/* grows when `active` changes */
	uint64_t renewed_count;
	bool has_helpers;
	uint32_t files_max;
	struct known_file *known;
};

int punchers_create(uint32_t files_max, bool has_helpers,
		    struct punchers **ret_punchers)
{
	struct punchers *ps = calloc(1, sizeof(*ps));
	int err = -ENOMEM;

	if (ps == NULL)
		return -ENOMEM;
	ps->files_max = files_max;
	ps->has_helpers = has_helpers;
	ps->known = calloc(files_max + 1ul, sizeof(*ps->known));
	if (ps->known == NULL)
		goto fail;
	for (unsigned i = 0; has_helpers && i < PUNCHERS; i++) {
		err = puncher_start(&ps->all[i], true);
		if (err != 0 && i == 0)
			goto fail;
		if (err != 0)
			break;
	}
	*ret_punchers = ps;
	return 0;
fail:
	punchers_destroy(ps);
	return err;
}

void punchers_destroy(struct punchers *ps)
{
	if (ps == NULL)
		return;
	for (unsigned i = 0; i < PUNCHERS; i++)
		puncher_end(&ps->all[i]);
	free(ps->known);
	free(ps);
}

/* ---- stuck punchers, and owners who are blamed */

static unsigned count_state(const struct punchers *ps,
			    enum puncher_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PUNCHERS; i++)
		count += ps->all[i].state == state;
	return count;
}

unsigned punchers_stuck_count(const struct punchers *ps)
{
	return count_state(ps, PUNCHER_STUCK);
}

static const struct puncher *find_stuck(const struct punchers *ps,
					uint32_t file, const uint32_t *owner)
{
	for (unsigned i = 0; i < PUNCHERS; i++) {
		const struct puncher *p = &ps->all[i];

		if (p->state == PUNCHER_STUCK &&
		    (owner != NULL ? p->owner == *owner : p->file == file))
			return p;
	}
	return NULL;
}

bool punchers_is_held(const struct punchers *ps, uint32_t file)
{
	return find_stuck(ps, file, NULL) != NULL;
}

bool punchers_is_blamed(const struct punchers *ps, uint32_t owner)
{
	return find_stuck(ps, 0, &owner) != NULL;
}

unsigned punchers_missing_count(const struct punchers *ps)
{
	return ps->has_helpers ? count_state(ps, PUNCHER_DEAD) : 0;
}

uint64_t punchers_renewed_count(const struct punchers *ps)
{
	return ps->renewed_count;
}

/* ---- punchers that have ended */

/* Start punchers again that were killed, by an administrator or for lack of
 * memory. */
static void renew_dead(struct punchers *ps)
{
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < PUNCHERS; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state != PUNCHER_DEAD ||
		    now_ns - p->started_ns < RENEWAL_NS)
			continue;
		if (ps->active == p)
			/* A new process knows no file. */
			ps->active = NULL;
		if (puncher_start(p, false) == 0)
			ps->renewed_count++;
	}
}

unsigned punchers_poll(struct punchers *ps)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PUNCHERS; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state == PUNCHER_STUCK)
			count += puncher_has_come_back(p);
		else if (p->state == PUNCHER_READY)
			(void)puncher_is_alive(p);
	}
	if (ps->has_helpers)
		renew_dead(ps);
	return count;
}

/* Make another puncher the active one.  It has no descriptors of files. */
static struct puncher *take_other(struct punchers *ps)
{
	for (unsigned i = 0; i < PUNCHERS; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state != PUNCHER_READY || !puncher_is_alive(p) ||
		    puncher_tell(p, HANDOVER_FORGET) != 0)
			continue;
		ps->active = p;
		ps->generation++;
		return p;
	}
	return NULL;
}

/* The active puncher, which has the descriptors, or another. */
static struct puncher *take_active(struct punchers *ps)
{
	struct puncher *p = ps->active;

	if (p != NULL && p->state == PUNCHER_READY)
		return p;
	p = take_other(ps);
	if (p != NULL || count_state(ps, PUNCHER_DEAD) == 0)
		return p;
	renew_dead(ps);
	return take_other(ps);
}

/* Make sure that puncher `p` has a descriptor of the file.  Returns 0 or
 * -errno. */
static int punchers_introduce(struct punchers *ps, struct puncher *p,
			      uint32_t file, int fd)
{
	struct known_file *known = &ps->known[file];
	int err;

	if (known->generation == ps->generation)
		return 0;
	err = puncher_send_fd(p, fd);
	if (err == 0)
		err = puncher_tell(p, HANDOVER_TAKE);
	if (err == 0 && p->handover->fd < 0)
		err = p->handover->fd;
	if (err == 0)
		*known = (struct known_file){ ps->generation,
					      p->handover->fd };
	return err;
}

/* N4: true while a punch of the same owner is stuck. */
static bool is_distrusted(const struct punchers *ps, const struct punch *pu)
{
	return punchers_stuck_count(ps) != 0 &&
	       punchers_is_blamed(ps, pu->owner);
}

static bool may_try(const struct punchers *ps, const struct punch *pu)
{
	if (punchers_stuck_count(ps) == 0)
		return true;
	if (punchers_is_held(ps, pu->file))
		return false;
	return !is_distrusted(ps, pu) ||
	       (!pu->is_shunned && count_state(ps, PUNCHER_READY) >= MIN_FREE);
}

enum { PUNCH_DUE = 1 };			/* struct punch.error: no result yet */

/* A request to the active puncher: the punches that have no result yet. */
struct punch_request {
	struct punch *of_run[PUNCHES_MAX];
	uint64_t patience_ns[PUNCHES_MAX];
	uint32_t count;
};

static void request_add(struct punchers *ps, struct puncher *p,
			struct punch_request *rq, struct punch *pu)
{
	struct handover *ho = p->handover;
	uint32_t i = rq->count;
	int err;

	if (!may_try(ps, pu)) {
		pu->error = -EAGAIN;
		return;
	}
	err = punchers_introduce(ps, p, pu->file, pu->fd);
	if (err != 0) {
		pu->error = err == -ECHILD ? PUNCH_DUE : err;
		return;
	}
	ho->run[i].fd = ps->known[pu->file].fd;
	ho->run[i].offset = pu->offset;
	ho->run[i].length = pu->length;
	rq->patience_ns[i] = is_distrusted(ps, pu) ? PATIENCE_DISTRUSTED_NS :
						     PUNCHER_PATIENCE_NS;
	rq->of_run[i] = pu;
	rq->count++;
}

static void request_make(struct puncher *p, struct punch_request *rq)
{
	struct handover *ho = p->handover;
	uint32_t done = rq->count, claim = 0;
	int err;

	ho->count = rq->count;
	err = puncher_ask(p, HANDOVER_PUNCH, rq->patience_ns, &claim);
	if (err != 0)
		done = claim != 0 ? claim - 1 : 0;
	for (uint32_t i = 0; i < done; i++) {
		rq->of_run[i]->error = ho->run[i].result;
		rq->of_run[i]->next_data = ho->run[i].next_data;
	}
	if (err != -ETIMEDOUT)
		/* A puncher that was killed has left runs without a result.
		 * They are punched again, also if it had punched them; this
		 * does no harm. */
		return;
	puncher_get_stuck(p, rq->of_run[done]->file, rq->of_run[done]->owner);
	rq->of_run[done]->error = -ETIMEDOUT;
}

static void punch_alone(struct punch *pu, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		pu[i].error = punch_range(pu[i].fd, pu[i].offset,
					  pu[i].length, &pu[i].next_data);
}

void punchers_punch(struct punchers *ps, struct punch *pu, unsigned count)
{
	bool is_due = true;

	ASSERT(count <= PUNCHES_MAX);
	for (unsigned i = 0; i < count; i++) {
		ASSERT(pu[i].file != 0 && pu[i].file <= ps->files_max);
		pu[i].error = PUNCH_DUE;
		pu[i].next_data = UINT64_MAX;
	}
	if (!ps->has_helpers) {
		punch_alone(pu, count);
		return;
	}
	while (is_due) {
		struct puncher *p = take_active(ps);
		struct punch_request rq = { .count = 0 };

		is_due = false;
		for (unsigned i = 0; i < count; i++) {
			if (pu[i].error != PUNCH_DUE)
				continue;
			if (p == NULL)
				pu[i].error = -EAGAIN;
			else if (p->state == PUNCHER_READY)
				request_add(ps, p, &rq, &pu[i]);
		}
		if (p != NULL && p->state == PUNCHER_READY && rq.count != 0)
			request_make(p, &rq);
		for (unsigned i = 0; i < count; i++)
			is_due |= pu[i].error == PUNCH_DUE;
	}
}

void punchers_forget(struct punchers *ps, uint32_t file)
{
	struct known_file known = ps->known[file];
	struct puncher *p = ps->active;

	for (unsigned i = 0; i < PUNCHERS; i++)
		if (ps->all[i].file == file)
			ps->all[i].file = 0;
	ps->known[file] = (struct known_file){ 0 };
	if (p == NULL || p->state != PUNCHER_READY ||
	    known.generation != ps->generation)
		/* N3: the puncher that has it forgets it later */
		return;
	p->handover->fd = known.fd;
	(void)puncher_tell(p, HANDOVER_DROP);
}
