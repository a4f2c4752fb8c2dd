/* SPDX-License-Identifier: MIT */
/* Receives descriptors from programs on this host.  A program sends its
 * userfaultfds once (keeper.h), and no other descriptors. */
#ifndef MEMD_NET_CONN_DESCRIPTORS_H
#define MEMD_NET_CONN_DESCRIPTORS_H

#include "daemon/net/conn.h"

/* Say whether a socket may receive descriptors.  If it may not, memd never sees
 * them: from Linux 6.16 on the sender gets an error.  Before 6.16 the kernel
 * closes them when memd reads the bytes that they came with.  (Such a close may
 * block, for example for a socket with SO_LINGER, or for a userfaultfd whose
 * owner holds the lock of its address space.) */
void descriptors_let_pass(int fd, bool is_allowed);

/* The same for a connection. */
void conn_descriptors_allow(struct conn *c, bool is_allowed);

/* As recv(), and store received descriptors in c->descriptor.  Returns the
 * number of bytes, 0 at the end of the stream, or -errno. */
ssize_t conn_descriptors_receive(struct conn *c, void *to, size_t length);

#endif
