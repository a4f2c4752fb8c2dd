/* SPDX-License-Identifier: MIT */
/* See zipf.h; the names are those of the paper. */
#include "tests/bench/zipf.h"

#include <math.h>

void zipf_init(struct zipf *z, size_t count, double theta)
{
	z->count = (double)count;
	z->zeta = 0;
	for (size_t r = 1; r <= count; r++)
		z->zeta += pow((double)r, -theta);
	z->zeta_2 = 1 + pow(2, -theta);
	z->alpha = 1 / (1 - theta);
	z->eta = (1 - pow(2 / z->count, 1 - theta)) /
		 (1 - z->zeta_2 / z->zeta);
}

size_t zipf_rank(const struct zipf *z, double u)
{
	double uz = u * z->zeta, rank;

	if (uz < 1 || z->count < 2)
		return 0;
	if (uz < z->zeta_2 || z->count < 3)
		return 1;
	rank = z->count * pow(z->eta * u - z->eta + 1, z->alpha);
	return rank < z->count ? (size_t)rank : (size_t)z->count - 1;
}
