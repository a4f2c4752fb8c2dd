/* SPDX-License-Identifier: MIT */
/* Finds out what a client's descriptor is, without an operation that could
 * block. */
#ifndef MEMD_KEEPER_DESCRIPTOR_KIND_H
#define MEMD_KEEPER_DESCRIPTOR_KIND_H

/* IS_USERFAULTFD: a non-blocking userfaultfd that has been through UFFDIO_API.
 * IS_FOREIGN: anything else that is no pipe. */
enum descriptor_kind { IS_USERFAULTFD, IS_PIPE, IS_FOREIGN };

enum descriptor_kind descriptor_kind_of(int fd);

#endif
