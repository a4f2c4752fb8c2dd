/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_request.h"

#include <errno.h>
#include <stdlib.h>

static const unsigned request_next[] = {
	[REQUEST_FREE] = BIT(REQUEST_STAGED) | BIT(REQUEST_ADMITTING),
	[REQUEST_STAGED] = BIT(REQUEST_READING) | BIT(REQUEST_ADMITTING) |
			   BIT(REQUEST_DONE),
	[REQUEST_READING] = BIT(REQUEST_ASKED) | BIT(REQUEST_DONE),
	[REQUEST_ASKED] = BIT(REQUEST_DONE),
	[REQUEST_ADMITTING] = BIT(REQUEST_DONE),
	[REQUEST_DONE] = BIT(REQUEST_FREE),
};

static const unsigned message_next[] = {
	[MESSAGE_FREE] = BIT(MESSAGE_SENT),
	[MESSAGE_SENT] = BIT(MESSAGE_FREE) | BIT(MESSAGE_AGAIN),
	[MESSAGE_AGAIN] = BIT(MESSAGE_FREE) | BIT(MESSAGE_SENT),
};

int remote_requests_init(struct store_remote *sr)
{
	for (unsigned i = 0; i < REQUEST_STATES; i++)
		TAILQ_INIT(&sr->requests_in[i]);
	for (unsigned i = 0; i < MESSAGE_STATES; i++)
		TAILQ_INIT(&sr->messages_in[i]);
	sr->requests = calloc(sr->depth, sizeof(*sr->requests));
	sr->messages = calloc(sr->depth, sizeof(*sr->messages));
	if (sr->requests == NULL || sr->messages == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < sr->depth; i++) {
		TAILQ_INSERT_TAIL(&sr->requests_in[REQUEST_FREE],
				  &sr->requests[i], link);
		TAILQ_INSERT_TAIL(&sr->messages_in[MESSAGE_FREE],
				  &sr->messages[i], link);
	}
	return 0;
}

void remote_requests_fini(struct store_remote *sr)
{
	free(sr->messages);
	free(sr->requests);
}

/* The request used last is taken first: its memory is likely in the cache. */
void remote_request_enter(struct store_remote *sr, struct remote_request *rq,
			  enum remote_request_state next)
{
	ASSERT(request_next[rq->state] & BIT(next));
	TAILQ_REMOVE(&sr->requests_in[rq->state], rq, link);
	rq->state = next;
	if (next == REQUEST_FREE)
		TAILQ_INSERT_HEAD(&sr->requests_in[next], rq, link);
	else
		TAILQ_INSERT_TAIL(&sr->requests_in[next], rq, link);
}

/* A message that is asked again goes to the head: it was asked before the
 * rest. */
void remote_message_enter(struct store_remote *sr, struct remote_message *m,
			  enum remote_message_state next)
{
	bool is_write = m->request == NULL;

	ASSERT(message_next[m->state] & BIT(next));
	if (is_write && m->state == MESSAGE_SENT)
		sr->writes_sent--;
	if (is_write && next == MESSAGE_SENT)
		sr->writes_sent++;
	TAILQ_REMOVE(&sr->messages_in[m->state], m, link);
	m->state = next;
	if (next == MESSAGE_SENT)
		TAILQ_INSERT_TAIL(&sr->messages_in[next], m, link);
	else
		TAILQ_INSERT_HEAD(&sr->messages_in[next], m, link);
	if (next == MESSAGE_FREE)
		m->request = NULL;
}

static void check_messages(const struct store_remote *sr)
{
	uint32_t count[MESSAGE_STATES] = { 0 }, writes = 0;

	for (unsigned state = 0; state < MESSAGE_STATES; state++) {
		const struct remote_message *m;

		TAILQ_FOREACH(m, &sr->messages_in[state], link) {
			ASSERT(m->state == state);
			ASSERT(m->request == NULL || state != MESSAGE_FREE);
			ASSERT(m->request != NULL || state != MESSAGE_AGAIN);
			writes += m->request == NULL && state == MESSAGE_SENT;
			count[state]++;
		}
	}
	ASSERT(count[MESSAGE_FREE] + count[MESSAGE_SENT] +
	       count[MESSAGE_AGAIN] == sr->depth);
	ASSERT(writes == sr->writes_sent);
	ASSERT(count[MESSAGE_SENT] == sr->link.unanswered);
}

void remote_requests_check(const struct store_remote *sr)
{
	uint32_t count = 0, parts = 0;

	for (unsigned state = 0; state < REQUEST_STATES; state++) {
		const struct remote_request *rq;

		TAILQ_FOREACH(rq, &sr->requests_in[state], link) {
			ASSERT(rq->state == state);
			ASSERT((state == REQUEST_ASKED && rq->parts > 0) ||
			       state == REQUEST_READING || rq->parts == 0);
			parts += rq->parts;
			count++;
		}
	}
	for (uint32_t i = 0; i < sr->depth; i++)
		parts -= sr->messages[i].request != NULL;
	ASSERT(count == sr->depth && parts == 0);
	check_messages(sr);
}
