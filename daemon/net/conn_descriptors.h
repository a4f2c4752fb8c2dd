/* SPDX-License-Identifier: MIT */
/* Descriptors that come with what a program of this host says: its
 * userfaultfds, once (keeper.h), and no others. */
#ifndef MEMD_NET_CONN_DESCRIPTORS_H
#define MEMD_NET_CONN_DESCRIPTORS_H

#include "daemon/net/conn.h"

/* May descriptors come?  Others never reach memd.  (From Linux 6.16 on they
 * are refused where they are sent.  Before, the kernel closes them as memd
 * reads what they came with, and some last closes wait: of a socket with
 * SO_LINGER, of a userfaultfd whose owner holds the lock of its address
 * space.) */
void conn_descriptors_allow(struct conn *c, bool is_allowed);

/* recv() with them: they are in c->descriptor afterwards.  Returns bytes, 0 or
 * -errno. */
ssize_t conn_descriptors_receive(struct conn *c, void *to, size_t length);

#endif
