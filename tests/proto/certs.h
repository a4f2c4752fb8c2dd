/* SPDX-License-Identifier: MIT */
/* Certificates for tests, good ones and bad ones, made in this process and
 * written as PEM files.  Asserts that all goes well. */
#ifndef MEMD_TESTS_PROTO_CERTS_H
#define MEMD_TESTS_PROTO_CERTS_H

#include <openssl/x509.h>
#include <stdbool.h>

enum { CERTS_DAY = 86400 };

/* A temporary folder; its path is kept. */
void certs_folder_create(void);
void certs_folder_remove(void);

/* The path of a file in it: up to 16 stay valid at once. */
const char *certs_path(const char *file);

struct authority {
	X509 *certificate;
	EVP_PKEY *key;
	long last_serial;
};

/* Writes FILE.pem. */
void authority_create(struct authority *a, const char *name, const char *file);
void authority_destroy(struct authority *a);

struct wish {
	const char *file;	/* FILE.pem and FILE.key are written */
	const char *name;	/* common name */
	const char *other_name;	/* a second one */
	const char *hosts;	/* "DNS:a,IP:127.0.0.1"; NULL: none */
	const char *use;	/* "serverAuth", "clientAuth"; NULL: any */
	long from_s, until_s;	/* from now; 0, 0: yesterday until tomorrow */
};

/* Returns its serial number. */
long authority_issue(struct authority *a, const struct wish *wish);

/* A list with one revoked certificate; revoked 0: an empty one. */
void authority_write_crl(struct authority *a, long revoked, long from_s,
			 long until_s, const char *file);

#endif
