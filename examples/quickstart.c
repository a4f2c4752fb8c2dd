/* SPDX-License-Identifier: MIT */
/* The smallest program on memd memory: the example of README.md, verbatim. */
#include <errno.h>
#include <memclient.h>
#include <stdio.h>

int main(void)
{
	const size_t bytes = (size_t)256 << 20;
	struct memclient *mc = NULL;
	void *map;
	int err;

	err = memclient_open(NULL, NULL, &mc);
	if (err == -ENOENT || err == -ECONNREFUSED) /* no memd runs here */
		err = memclient_open("embedded:", NULL, &mc);
	if (err != 0 || memclient_map(mc, bytes, NULL, &map) != 0) {
		fprintf(stderr, "quickstart: %s\n", memclient_error(mc));
		return 1;
	}
	unsigned char *p = map, sum = 0;
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = (unsigned char)(i >> 12); /* in, and out again */
	for (size_t i = 0; i < bytes; i += 4096)
		sum ^= p[i] ^ (unsigned char)(i >> 12); /* and back */
	puts(sum == 0 ? "every page came back" : "WRONG BYTES");
	memclient_close(mc);
	return sum != 0;
}
