/* SPDX-License-Identifier: MIT */
#include "daemon/net/awake.h"

#include "common/clock.h"

void awake_note_paging(struct awake *awake)
{
	if (awake->config->busy_poll == 0)
		return;
	awake->until_ns = clock_now_ns() + awake->config->busy_poll * 1000;
	awake_look_again(awake);
}

void awake_look_again(struct awake *awake)
{
	const struct timeval now = { 0 };

	if (!awake->is_due)
		awake->is_due = event_add(&awake->look, &now) == 0;
}
