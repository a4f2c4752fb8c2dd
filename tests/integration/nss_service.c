/* SPDX-License-Identifier: MIT */
/* A directory service for tests: glibc loads it as libnss_memdtest.so.2 where
 * nsswitch.conf names it.  It knows the group and the user "served", by NUMBER,
 * and does not answer when asked for "silent". */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum { NUMBER = 54321 };

static enum nss_status look_up(const char *name, int *err)
{
	while (strcmp(name, "silent") == 0)
		pause();
	*err = ENOENT;
	return strcmp(name, "served") == 0 ? NSS_STATUS_SUCCESS :
					     NSS_STATUS_NOTFOUND;
}

static char nothing[] = "";
static char *no_members[] = { NULL };

enum nss_status _nss_memdtest_getgrnam_r(const char *name, struct group *entry,
					 char *buf, size_t size, int *err);
enum nss_status _nss_memdtest_getgrnam_r(const char *name, struct group *entry,
					 char *buf, size_t size, int *err)
{
	(void)buf;
	(void)size;
	*entry = (struct group){ nothing, nothing, NUMBER, no_members };
	return look_up(name, err);
}

enum nss_status _nss_memdtest_getpwnam_r(const char *name,
					 struct passwd *entry, char *buf,
					 size_t size, int *err);
enum nss_status _nss_memdtest_getpwnam_r(const char *name,
					 struct passwd *entry, char *buf,
					 size_t size, int *err)
{
	(void)buf;
	(void)size;
	*entry = (struct passwd){ nothing, nothing, NUMBER, NUMBER, nothing,
				  nothing, nothing };
	return look_up(name, err);
}
