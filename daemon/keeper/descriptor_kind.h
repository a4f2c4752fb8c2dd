/* SPDX-License-Identifier: MIT */
/* What a client's descriptor is, found out without making it do anything. */
#ifndef MEMD_KEEPER_DESCRIPTOR_KIND_H
#define MEMD_KEEPER_DESCRIPTOR_KIND_H

/* IS_USERFAULTFD: one that has been through UFFDIO_API, and is non-blocking. */
enum descriptor_kind { IS_USERFAULTFD, IS_PIPE, IS_FOREIGN };

enum descriptor_kind descriptor_kind_of(int fd);

#endif
