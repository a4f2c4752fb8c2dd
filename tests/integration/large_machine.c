/* SPDX-License-Identifier: MIT */
/* Preloaded into memd, makes the machine look as if it had 1 TiB of memory and
 * no control groups, so that a test can have a pool of any size.  The pool is
 * sparse: what nobody faults in is not there.  Not for programs under a
 * sanitizer, whose runtime must come before anything preloaded. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

FILE *fopen(const char *path, const char *mode)
{
	static char meminfo[] = "MemTotal: 1073741824 kB\n";
	FILE *(*next)(const char *, const char *);

	if (strcmp(path, "/proc/meminfo") == 0)
		return fmemopen(meminfo, sizeof(meminfo) - 1, "r");
	if (strcmp(path, "/proc/self/cgroup") == 0) {
		errno = ENOENT;
		return NULL;
	}
	*(void **)&next = dlsym(RTLD_NEXT, "fopen");
	return next(path, mode);
}
