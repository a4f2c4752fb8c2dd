/* SPDX-License-Identifier: MIT */
#include "tests/integration/model.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LOCKS = 512, WORDS = MODEL_UNIT_BYTES / 8 };

struct model {
	size_t bytes;
	uint32_t unit_count;
	uint64_t salt;
	pthread_mutex_t lock[LOCKS];
	uint32_t version[];
};

uint64_t model_random(uint64_t *state)
{
	/* splitmix64 (Steele, Lea, Flood 2014) */
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

struct model *model_create(uint32_t unit_count, uint64_t salt)
{
	size_t bytes = sizeof(struct model) + unit_count * sizeof(uint32_t);
	struct model *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	if (m == MAP_FAILED) {
		perror("model");
		exit(1);
	}
	m->bytes = bytes;
	m->unit_count = unit_count;
	m->salt = salt;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_init(&m->lock[i], &attr);
	pthread_mutexattr_destroy(&attr);
	return m;
}

void model_destroy(struct model *m)
{
	munmap(m, m->bytes);
}

uint32_t model_unit_count(const struct model *m)
{
	return m->unit_count;
}

static uint64_t word_of(const struct model *m, uint32_t unit, uint32_t version,
			unsigned word)
{
	uint64_t state = m->salt ^ ((uint64_t)unit << 32 | version);

	if (version == 0)
		return 0;
	return model_random(&state) + word * UINT64_C(0x9E3779B97F4A7C15);
}

static volatile uint64_t *unit_at(const void *area, uint32_t unit)
{
	return (volatile uint64_t *)((uintptr_t)area +
				     (uintptr_t)unit * MODEL_UNIT_BYTES);
}

void model_write(struct model *m, void *area, uint32_t unit)
{
	volatile uint64_t *at = unit_at(area, unit);
	uint64_t first;

	pthread_mutex_lock(&m->lock[unit % LOCKS]);
	first = word_of(m, unit, ++m->version[unit], 0);
	for (unsigned i = 0; i < WORDS; i++)
		at[i] = first + i * UINT64_C(0x9E3779B97F4A7C15);
	pthread_mutex_unlock(&m->lock[unit % LOCKS]);
}

bool model_verify(struct model *m, const void *area, uint32_t unit,
		  bool is_whole, uint64_t *rng)
{
	volatile uint64_t *at = unit_at(area, unit);
	unsigned bad = 0, count = is_whole ? WORDS : 8;
	uint64_t got = 0, want = 0;

	pthread_mutex_lock(&m->lock[unit % LOCKS]);
	for (unsigned i = 0; i < count && bad == 0; i++) {
		unsigned word = is_whole ? i : model_random(rng) % WORDS;

		want = word_of(m, unit, m->version[unit], word);
		got = at[word];
		if (got != want)
			bad = word + 1;
	}
	if (bad != 0)
		fprintf(stderr, "WRONG BYTES: unit %u version %u word %u: "
			"%016jx, must be %016jx\n", unit, m->version[unit],
			bad - 1, (uintmax_t)got, (uintmax_t)want);
	pthread_mutex_unlock(&m->lock[unit % LOCKS]);
	return bad == 0;
}

int model_drop(struct model *m, void *area, uint32_t unit,
	       int (*drop)(void *arg, void *at), void *arg)
{
	int err;

	pthread_mutex_lock(&m->lock[unit % LOCKS]);
	err = drop(arg, (void *)unit_at(area, unit));
	if (err == 0)
		m->version[unit] = 0;
	pthread_mutex_unlock(&m->lock[unit % LOCKS]);
	return err;
}
