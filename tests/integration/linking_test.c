/* SPDX-License-Identifier: MIT */
/* Proves that a program which is linked statically as a whole is refused
 * "embedded:" in words, where dlopen() would crash; and that one which is not
 * gets it, also when the dynamic linker was started by hand and not by the
 * kernel.  Built for each: PROGRAM_IS_STATIC, or NO_STATIC where it cannot be
 * built so. */
#include "memclient.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 60, SKIPPED = 77 };

static int open_embedded(void)
{
	struct memclient *mc;
	int err = memclient_open("embedded:pool_size=2M,swap_size=8M", NULL,
				 &mc);

	if (err == 0)
		memclient_close(mc);
	return err;
}

#ifdef PROGRAM_IS_STATIC

static int run(const char *self, int count)
{
	int err = open_embedded();
	const char *reason = memclient_error(NULL);

	(void)self;
	(void)count;
	if (err == -ENOSYS && strstr(reason, "linked statically") != NULL)
		return 0;
	printf("%d: %s\n", err, err == 0 ? "it was opened" : reason);
	return 1;
}

#else

static int find_linker(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char **ret_path = arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*ret_path = (const char *)(info->dlpi_addr +
					info->dlpi_phdr[i].p_vaddr);
	return 1;
}

/* Once as it is, and once by the linker that it names. */
static int run(const char *self, int count)
{
	const char *linker = NULL;
	int err = open_embedded();

	if (err == -EPERM) {
		printf("SKIP: %s\n", memclient_error(NULL));
		return SKIPPED;
	}
	if (err != 0) {
		printf("%d: %s\n", err, memclient_error(NULL));
		return 1;
	}
	if (count > 1)
		return 0;
	(void)dl_iterate_phdr(find_linker, &linker);
	if (linker == NULL) {
		printf("it names no dynamic linker\n");
		return 1;
	}
	(void)execl(linker, linker, self, "again", (char *)NULL);
	perror(linker);
	return 1;
}

#endif

int main(int argc, char **argv)
{
#ifdef NO_STATIC
	printf("SKIP: no static libc or libprotobuf-c here, or none with a "
	       "sanitizer\n");
	return SKIPPED;
#endif
	alarm(PATIENCE_S);
	return run(argv[0], argc);
}
