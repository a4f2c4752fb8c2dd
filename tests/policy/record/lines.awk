# SPDX-License-Identifier: MIT
# A log to sort: lines of different lengths, which begin at random.

BEGIN {
	srand(1)
	while (length(filling) < 700)
		filling = filling int(rand() * 1000000) " "
	for (; bytes < wanted; bytes += length(line) + 1) {
		line = sprintf("%06d %06d ", rand() * 1000000,
			       rand() * 1000000) \
			substr(filling, int(rand() * 400) + 1, rand() * 360)
		print line
	}
}
