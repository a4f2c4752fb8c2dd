/* SPDX-License-Identifier: MIT */
/* UFFDIO_POISON (Linux 6.6), for older headers. */
#ifndef MEMD_COMMON_UFFD_POISON_H
#define MEMD_COMMON_UFFD_POISON_H

#include <linux/userfaultfd.h>

#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

#endif
