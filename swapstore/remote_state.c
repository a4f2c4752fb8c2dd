/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_state.h"

#include "common/clock.h"

#include <stdarg.h>

static const unsigned remote_next[] = {
	[REMOTE_DOWN] = BIT(REMOTE_DOWN) | BIT(REMOTE_LOOKING) |
			BIT(REMOTE_CONNECTING),
	[REMOTE_LOOKING] = BIT(REMOTE_DOWN) | BIT(REMOTE_CONNECTING),
	[REMOTE_CONNECTING] = BIT(REMOTE_DOWN) | BIT(REMOTE_SECURING),
	[REMOTE_SECURING] = BIT(REMOTE_DOWN) | BIT(REMOTE_GREETING),
	[REMOTE_GREETING] = BIT(REMOTE_DOWN) | BIT(REMOTE_OPENING),
	[REMOTE_OPENING] = BIT(REMOTE_DOWN) | BIT(REMOTE_OPENING) |
			   BIT(REMOTE_UP),
	[REMOTE_UP] = BIT(REMOTE_DOWN),
};

void remote_state_enter(struct remote_link *link, enum remote_state next,
			uint64_t patience_ns)
{
	ASSERT(remote_next[link->state] & BIT(next));
	link->state = next;
	link->deadline_ns = next == REMOTE_UP ? 0 :
			    clock_now_ns() + patience_ns;
}

uint64_t remote_state_end_ns(const struct remote_link *link)
{
	if (link->state != REMOTE_UP)
		return link->deadline_ns;
	return link->unanswered == 0 ? 0 : link->heard_ns + link->timeout_ns;
}

bool remote_state_is_overdue(const struct remote_link *link, uint64_t now_ns)
{
	uint64_t end_ns = remote_state_end_ns(link);

	return end_ns != 0 && now_ns >= end_ns;
}

int remote_state_blame(struct remote_link *link, int err, const char *format,
		       ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(link->reason, sizeof(link->reason), format, args);
	va_end(args);
	link->error = err;
	return err;
}

void remote_state_check(const struct remote_link *link)
{
	ASSERT(link->stream.is_open == (link->state >= REMOTE_CONNECTING));
	ASSERT((link->deadline_ns == 0) == (link->state == REMOTE_UP));
	ASSERT(link->unanswered == 0 || link->state == REMOTE_UP);
	ASSERT(link->has_token || link->state != REMOTE_UP);
}
