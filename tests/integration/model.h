/* SPDX-License-Identifier: MIT */
/* What managed memory must contain, kept outside of it.
 *
 * Memory is looked at in units of 4 KiB.  The model holds a version for each
 * unit of an area; the bytes that a version stands for are computed.  Version
 * 0 is zeros.  It lies in memory shared by all processes that fork() after
 * model_create(), with locks, so that any thread of any process may check or
 * change any unit. */
#ifndef MEMD_TESTS_MODEL_H
#define MEMD_TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

enum { MODEL_UNIT_BYTES = 4096 };

struct model;

/* Ends the program when there is no memory. */
struct model *model_create(uint32_t unit_count, uint64_t salt);
void model_destroy(struct model *m);
uint32_t model_unit_count(const struct model *m);

/* Fill the unit at `area + unit * 4096` with its next version. */
void model_write(struct model *m, void *area, uint32_t unit);

/* Compare the unit: all of it, or a few words of it. */
bool model_verify(struct model *m, const void *area, uint32_t unit,
		  bool is_whole, uint64_t *rng);

/* Drop the unit's bytes by `drop`, while nobody else uses it: zeros now. */
int model_drop(struct model *m, void *area, uint32_t unit,
	       int (*drop)(void *arg, void *at), void *arg);

uint64_t model_random(uint64_t *state);

#endif
