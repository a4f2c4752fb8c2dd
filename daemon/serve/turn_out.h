/* SPDX-License-Identifier: MIT */
#ifndef MEMD_SERVE_TURN_OUT_H
#define MEMD_SERVE_TURN_OUT_H

struct serve;

/* After a reload: disconnect sessions of other hosts that would be refused now,
 * and set again which of them are administrators. */
void sessions_look_again(struct serve *sv);

#endif
