/* SPDX-License-Identifier: MIT */
#include "daemon/backing/punchers.h"

#include "common/clock.h"
#include "daemon/backing/punch_helper.h"
#include <errno.h>
#include <sys/eventfd.h>

/* Least time between two starts of one puncher: if something ends helpers again
 * and again, memd must not spend its time on them. */
#define RENEWAL_NS		UINT64_C(1000000000)

struct punchers {
	struct puncher all[PUNCHERS_MAX];
	struct puncher_ground ground;
	unsigned kept;
	uint64_t renewed_count;
};

int punchers_create(uint32_t files_max, unsigned least, unsigned kept,
		    struct punchers **ret_punchers)
{
	struct punchers *ps = calloc(1, sizeof(*ps));
	int err = -ENOMEM;

	if (ps == NULL)
		return -ENOMEM;
	ps->kept = kept;
	ps->ground.files_max = files_max;
	ps->ground.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ps->ground.event_fd < 0) {
		err = -errno;
		goto fail;
	}
	for (unsigned i = 0; i < kept; i++) {
		err = puncher_start(&ps->all[i], &ps->ground, true);
		if (err != 0 && i < least)
			goto fail;
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
	for (unsigned i = 0; i < PUNCHERS_MAX; i++)
		puncher_end(&ps->all[i]);
	if (ps->ground.event_fd >= 0)
		close(ps->ground.event_fd);
	free(ps);
}

int punchers_event_fd(const struct punchers *ps)
{
	return ps->ground.event_fd;
}

/* ---- how many there are */

unsigned punchers_missing_count(const struct punchers *ps)
{
	unsigned usable = 0, dead = 0;

	for (unsigned i = 0; i < PUNCHERS_MAX; i++) {
		const struct puncher *p = &ps->all[i];

		dead += p->state == PUNCHER_DEAD;
		usable += p->state == PUNCHER_READY ||
			  (p->state == PUNCHER_BUSY && !p->is_stuck);
	}
	return MIN(ps->kept - MIN(usable, ps->kept), dead);
}

uint64_t punchers_renewed_count(const struct punchers *ps)
{
	return ps->renewed_count;
}

/* Start one more puncher.  NULL: there is no process for it now. */
static struct puncher *start_puncher(struct punchers *ps)
{
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < PUNCHERS_MAX; i++) {
		struct puncher *p = &ps->all[i];
		bool is_renewal = p->started_ns != 0;

		if (p->state != PUNCHER_DEAD ||
		    (is_renewal && now_ns - p->started_ns < RENEWAL_NS))
			continue;
		if (puncher_start(p, &ps->ground, false) != 0)
			return NULL;
		ps->renewed_count += is_renewal;
		return p;
	}
	return NULL;
}

void punchers_poll(struct punchers *ps)
{
	struct puncher *surplus = NULL;
	unsigned usable = 0;

	for (unsigned i = 0; i < PUNCHERS_MAX; i++) {
		struct puncher *p = &ps->all[i];

		puncher_look(p);
		if (p->state == PUNCHER_DEAD || !puncher_is_alive(p))
			continue;
		if (p->state == PUNCHER_BUSY)
			puncher_watch(p);
		usable += p->state == PUNCHER_READY || !p->is_stuck;
		if (usable > ps->kept && p->state == PUNCHER_READY)
			surplus = p;
	}
	/* More were needed for a while.  One at a time: they may be again. */
	if (surplus != NULL) {
		puncher_end(surplus);
		surplus->started_ns = 0;
	}
	for (; usable < ps->kept; usable++)
		if (start_puncher(ps) == NULL)
			break;
}

/* N2.  The first that is READY is the one that has the descriptors of most
 * files. */
static struct puncher *puncher_for(struct punchers *ps, uint32_t user)
{
	struct puncher *ready = NULL;

	for (unsigned i = 0; i < PUNCHERS_MAX; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state == PUNCHER_BUSY && p->user == user)
			return p;
		if (p->state == PUNCHER_READY && ready == NULL)
			ready = p;
	}
	return ready != NULL ? ready : start_puncher(ps);
}

int punchers_punch(struct punchers *ps, uint32_t user,
		   const struct punch *punch, unsigned count, bool is_lent,
		   struct puncher **ret_puncher, uint32_t *ret_first)
{
	for (unsigned i = 0; i < PUNCHERS_MAX; i++) {
		struct puncher *p = puncher_for(ps, user);

		if (p == NULL)
			return -EAGAIN;
		p->user = user;
		if (puncher_post(p, &ps->ground, punch, count, is_lent,
				 ret_first) == 0) {
			*ret_puncher = p;
			return 0;
		}
		/* Its process has ended, perhaps: then take another. */
		if (puncher_is_alive(p))
			return -EAGAIN;
	}
	return -EAGAIN;
}

void punchers_look(struct punchers *ps)
{
	for (unsigned i = 0; i < PUNCHERS_MAX; i++)
		puncher_look(&ps->all[i]);
}

void punchers_forget(struct punchers *ps, uint32_t file)
{
	for (unsigned i = 0; i < PUNCHERS_MAX; i++)
		puncher_forget(&ps->all[i], file);
}
