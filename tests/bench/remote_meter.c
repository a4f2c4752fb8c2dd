/* SPDX-License-Identifier: MIT */
#include "tests/bench/remote.h"

#include "common/clock.h"
#include "tests/bench/order.h"
#include <errno.h>
#include <stdlib.h>

int remote_meter_init(struct remote_meter *m, size_t count)
{
	*m = (struct remote_meter){ .size = count };
	m->ns = calloc(count, sizeof(*m->ns));
	if (m->ns == NULL)
		return -ENOMEM;
	m->start_ns = clock_now_ns();
	return 0;
}

void remote_meter_add(struct remote_meter *m, uint64_t ns)
{
	ASSERT(m->count < m->size);
	m->ns[m->count++] = ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double ns_at(const struct remote_meter *m, size_t i)
{
	return (double)m->ns[i];
}

void remote_meter_end(struct remote_meter *m, struct remote_result *ret_result)
{
	uint64_t end_ns = clock_now_ns();

	*ret_result = (struct remote_result){ .is_done = m->count != 0 };
	if (m->count != 0) {
		qsort(m->ns, m->count, sizeof(*m->ns), by_size);
		ret_result->mean_ns = (double)(end_ns - m->start_ns) /
				      (double)m->count;
		ret_result->p50_ns = ns_at(m, m->count / 2);
		ret_result->p99_ns = ns_at(m, m->count * 99 / 100);
	}
	free(m->ns);
}

uint64_t remote_offset(const struct remote_work *work, size_t i)
{
	uint64_t blocks = REMOTE_SPACE_BYTES / work->block_bytes;
	uint64_t block = work->is_random ? order_mix(i + 1) : i;

	return block % blocks * work->block_bytes;
}
