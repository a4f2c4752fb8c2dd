/* SPDX-License-Identifier: MIT */
#ifndef MEMD_SERVE_TURN_OUT_H
#define MEMD_SERVE_TURN_OUT_H

struct serve;

/* After a reload: disconnect those from other hosts who would not be let in any
 * more. */
void sessions_look_again(struct serve *sv);

#endif
