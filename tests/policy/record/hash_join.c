/* SPDX-License-Identifier: MIT */
/* A hash join, for record.sh: customers are put into a chained hash table, then
 * orders are read in their order and added to their customers.  Some customers
 * order far more often than others (Zipf's distribution with exponent 1). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CUSTOMERS = 16384, ORDERS = 32768, BUCKETS = 32768 };

struct customer {
	uint32_t id;
	struct customer *next;		/* in the bucket */
	uint64_t sum;
	char name[232];
};

struct order {
	uint32_t customer_id, amount;
	char text[120];
};

static uint64_t rng = 1;

/* From 0 to 1, below 1 (xorshift64*). */
static double random_fraction(void)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (double)(rng * UINT64_C(0x2545f4914f6cdd1d) >> 11) * 0x1p-53;
}

/* The ids are not in the order of the table. */
static uint32_t id_of(uint32_t rank)
{
	return rank * UINT32_C(2654435761);
}

static uint32_t bucket_of(uint32_t id)
{
	return (id ^ id >> 15) * UINT32_C(2246822519) >> 17;
}

static struct order *make_orders(void)
{
	struct order *orders = calloc(ORDERS, sizeof(*orders));

	if (orders == NULL)
		abort();
	for (uint32_t i = 0; i < ORDERS; i++) {
		double rank = exp(random_fraction() * log(CUSTOMERS));

		orders[i].customer_id = id_of((uint32_t)rank * 12345 %
					      CUSTOMERS);
		orders[i].amount = i % 1000;
	}
	return orders;
}

static struct customer **build_table(void)
{
	struct customer **table = calloc(BUCKETS, sizeof(struct customer *));

	if (table == NULL)
		abort();
	for (uint32_t i = 0; i < CUSTOMERS; i++) {
		struct customer *c = malloc(sizeof(*c));
		uint32_t id = id_of(i);

		if (c == NULL)
			abort();
		*c = (struct customer){ id, table[bucket_of(id)], 0, "name" };
		table[bucket_of(id)] = c;
	}
	return table;
}

/* The largest sum. */
static uint64_t join(struct customer **table, const struct order *orders)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < ORDERS; i++) {
		uint32_t id = orders[i].customer_id;
		struct customer *c = table[bucket_of(id)];

		while (c != NULL && c->id != id)
			c = c->next;
		if (c == NULL)
			abort();
		c->sum += orders[i].amount;
		most = c->sum > most ? c->sum : most;
	}
	return most;
}

int main(void)
{
	struct order *orders = make_orders();

	printf("%llu\n", (unsigned long long)join(build_table(), orders));
	return 0;
}
