/* SPDX-License-Identifier: MIT */
/* The questions of `memd --check` about other hosts: certificates, whose
 * limits they have, and whether the memd that is to keep pages answers.  Each
 * function answers one, in words for the line.  check.c prints them. */
#ifndef MEMD_ADMIN_CHECK_HOSTS_H
#define MEMD_ADMIN_CHECK_HOSTS_H

#include "daemon/admin/check_answer.h"
#include "daemon/config/config.h"
#include "proto/channel.h"

enum { CHECK_PATIENCE_MS = 5000 };

/* Can listen_tcp be listened on now?  Says nothing where it can. */
enum check_answer check_address(const struct config *config,
				char ret_text[CHECK_TEXT_BYTES]);

/* Can we listen for other hosts, with the certificates we are given? */
enum check_answer check_listening(const struct config *config,
				  char ret_text[CHECK_TEXT_BYTES]);

/* How long are the certificates good for, and is the key nobody else's?  A line
 * each.  Returns how many; none where there are no certificates, or they cannot
 * be used. */
enum { CHECK_CERTIFICATES_MAX = CHANNEL_ENDS + 1 };
unsigned check_certificates(const struct config *config,
		enum check_answer ret_answers[CHECK_CERTIFICATES_MAX],
		char ret_texts[CHECK_CERTIFICATES_MAX][CHECK_TEXT_BYTES]);

/* Has each entry of tls_users a user that is here?  The text names the first
 * one that has not. */
enum check_answer check_tls_users(const struct config *config,
				  char ret_text[CHECK_TEXT_BYTES]);

/* Is tcp_user, if it names one, a user that is here? */
enum check_answer check_tcp_user(const struct config *config,
				 char ret_text[CHECK_TEXT_BYTES]);

/* Does anybody accept a connection at HOST:PORT, and, where there are
 * certificates, both each other's?  Without, nothing is said to whoever it is.
 * Takes two seconds at most. */
enum check_answer check_store(const struct config *config, const char *address,
			      char ret_text[CHECK_TEXT_BYTES]);

#endif
