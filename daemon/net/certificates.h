/* SPDX-License-Identifier: MIT */
/* How long the certificates in use are good for: to be shown, and said before
 * it is too late. */
#ifndef MEMD_NET_CERTIFICATES_H
#define MEMD_NET_CERTIFICATES_H

#include "common/checks.h"
#include "daemon/findings/findings.h"
#include "proto/channel.h"
#include <stdint.h>

enum {
	CERTIFICATES_WARN_DAYS = 14,
	CERTIFICATE_TEXT_BYTES = CHANNEL_NAME_BYTES + 160,
};

/* How good is it?  WARN: it ends within CERTIFICATES_WARN_DAYS.  FAIL: it has
 * ended, or not begun.  ret_text: one line that says so, and what to do. */
enum finding_level certificate_judge(const struct channel_end *end,
				     char ret_text[CERTIFICATE_TEXT_BYTES]);

/* Whole days that are left; negative: it has ended. */
int64_t certificate_days_left(const struct channel_end *end);

/* May `next` take the place of `now` (NULL: none)?  Not with anything in it
 * that is FAIL where that in use is not.  Returns 0, or -EINVAL with a line in
 * ret_reason. */
int certificates_check(const struct channel_context *now,
		       const struct channel_context *next, char *ret_reason,
		       size_t reason_size) MUST_CHECK;

/* Findings: how good are those of `tls` (NULL: none) for how long, and is the
 * key another user's than memd's and root's? */
void certificates_say(struct findings_ask *ask,
		      const struct channel_context *tls);

/* Log them: after the start and a reload, and once a day. */
void certificates_log(const struct channel_context *tls);

#endif
