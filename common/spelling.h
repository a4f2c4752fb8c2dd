/* SPDX-License-Identifier: MIT */
/* How far names are from each other, for "did you mean".  Which names there
 * are, and what is near, is the callers' business. */
#ifndef MEMD_COMMON_SPELLING_H
#define MEMD_COMMON_SPELLING_H

#include "common/checks.h"

/* How many characters have to be put in, taken out or changed; UINT_MAX where
 * one of them has 64 characters or more. */
unsigned spelling_distance(const char *a, const char *b);

#endif
