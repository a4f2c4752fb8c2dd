/* SPDX-License-Identifier: MIT */
/* Faults on their way to the daemon: see wanted.h. */
#include "client/fault/wanted.h"

enum { POSTS_MAX = 4 };

static void enter_asked(struct faults *fs, const struct session *s,
			struct fault *f, uint64_t id)
{
	f->asked_ns = s->now_ns;
	fault_enter_asked(fs, f, id);
}

/* Send one Fault message with the wanted pages of the region of `first`. */
static int send_all_of(struct faults *fs, struct session *s,
		       struct fault *first)
{
	struct region *r = first->region;
	struct fault *chosen[WIRE_FAULTS_MAX];
	uint64_t page[WIRE_FAULTS_MAX];
	uint64_t id = session_request_id(s, REQUEST_FAULT, r->idx);
	Memd__Fault message = MEMD__FAULT__INIT;
	size_t count = 0;
	int err;

	message.segment = atomic_load(&r->segment);
	message.page = page;
	message.has_access = 1;
	for (struct fault *f = first; f != NULL && count < WIRE_FAULTS_MAX;
	     f = TAILQ_NEXT(f, link)) {
		if (f->region != r)
			continue;
		if (f->is_write)
			message.access = MEMD__ACCESS__ACCESS_WRITE;
		chosen[count] = f;
		page[count++] = f->page;
	}
	message.n_page = count;
	err = link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_FAULT, id,
			&message.base);
	for (size_t i = 0; err == 0 && i < count; i++)
		enter_asked(fs, s, chosen[i], id);
	return err;
}

/* Ask in the mailbox, if there are few faults; many are cheaper in one
 * message. */
static bool post_one(struct faults *fs, struct session *s, struct box *b,
		     struct fault *f, bool *must_ring)
{
	uint64_t id = session_request_id(s, REQUEST_FAULT, f->region->idx);
	Memd__Fault message = MEMD__FAULT__INIT;
	bool is_asleep;

	if (fs->count[FAULT_WANTED] > POSTS_MAX)
		return false;
	message.segment = atomic_load(&f->region->segment);
	message.page = &f->page;
	message.n_page = 1;
	message.has_access = f->is_write;
	message.access = MEMD__ACCESS__ACCESS_WRITE;
	if (box_post(b, MEMD__MESSAGE_TYPE__TYPE_FAULT, id, &message.base,
		     &is_asleep) != 0)
		return false;
	enter_asked(fs, s, f, id);
	*must_ring |= is_asleep;
	return true;
}

static struct fault *next_sendable(struct faults *fs)
{
	struct fault *f;

	TAILQ_FOREACH(f, &fs->list[FAULT_WANTED], link)
		if (atomic_load(&f->region->state) == REGION_LIVE)
			return f;
	return NULL;
}

bool wanted_send(struct faults *fs, struct session *s, struct box *b)
{
	bool must_ring = false;
	struct fault *f;

	while (s->is_up && (f = next_sendable(fs)) != NULL)
		if (!post_one(fs, s, b, f, &must_ring) &&
		    send_all_of(fs, s, f) != 0)
			break;	/* no room: go on when some has been sent */
	return must_ring;
}

void wanted_probe(const struct faults *fs, struct session *s)
{
	uint64_t since_ns = MAX(s->heard_ns, s->probed_ns);

	if (!s->is_up || fs->count[FAULT_ASKED] == 0 ||
	    s->now_ns < since_ns + s->settings->timeout_ns / 4)
		return;
	if (link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS,
		      session_request_id(s, REQUEST_NONE, 0), NULL) == 0)
		s->probed_ns = s->now_ns;
}
