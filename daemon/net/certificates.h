/* SPDX-License-Identifier: MIT */
/* How long the certificates in use are valid.  This is shown, and logged before
 * they expire. */
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

/* Judge a certificate or a revocation list.  WARN: it expires within
 * CERTIFICATES_WARN_DAYS.  FAIL: it has expired, or is not valid yet.
 * ret_text: one line that says so, and what to do. */
enum finding_level certificate_judge(const struct channel_end *end,
				     char ret_text[CERTIFICATE_TEXT_BYTES]);

/* Whole days until it expires; negative: it has expired. */
int64_t certificate_days_left(const struct channel_end *end);

/* Whether `next` may replace `now` (NULL: none).  Refused if a file is FAIL in
 * `next` but not in `now`.  Returns 0, or -EINVAL with a line in ret_reason. */
int certificates_check(const struct channel_context *now,
		       const struct channel_context *next, char *ret_reason,
		       size_t reason_size) MUST_CHECK;

/* Report findings for `tls` (NULL: none): how long each file is valid, and
 * whether the key belongs to another user than memd's and root. */
void certificates_say(struct findings_ask *ask,
		      const struct channel_context *tls);

/* Log these findings.  Called after start and reload, and once a day. */
void certificates_log(const struct channel_context *tls);

#endif
