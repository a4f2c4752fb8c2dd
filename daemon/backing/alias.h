/* SPDX-License-Identifier: MIT */
/* The daemon's own mapping of a data file (the alias), through which it puts
 * pages into the file. */
#ifndef MEMD_BACKING_ALIAS_H
#define MEMD_BACKING_ALIAS_H

#include "common/checks.h"
#include <stdint.h>

/* Open the daemon's userfaultfd.  Returns 0, or -ENOSYS, -EPERM or -EACCES (no
 * userfaultfd), -EOPNOTSUPP (kernel older than 5.14). */
int alias_open_uffd(int *ret_uffd) MUST_CHECK;

/* Map the whole file and register the mapping with `uffd`.  Returns 0 or
 * -errno. */
int alias_map(int uffd, int fd, uint64_t length_bytes, uint8_t **ret_alias)
	MUST_CHECK;

/* Make [to, to + length) of an alias present, with the content `bytes` (NULL:
 * zeros).  Pages that are present already keep their bytes.  Returns 0, or
 * -ENOMEM; then a part may have been made present. */
int alias_install(int uffd, uint8_t *to, uint64_t length, const uint8_t *bytes)
	MUST_CHECK;

/* Is the page of the file there, that this page of an alias maps?  Returns 1,
 * 0, or -EAGAIN: that cannot be said now.  No client can make this wait. */
int alias_is_present(int uffd, uint8_t *at);

#endif
