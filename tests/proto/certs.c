/* SPDX-License-Identifier: MIT */
#include "tests/proto/certs.h"

#include "common/checks.h"
#include "tests/temporary.h"
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[TEMPORARY_BYTES];

void certs_folder_create(void)
{
	ASSERT(mkdtemp(temporary_template("memd-certs", folder)) != NULL);
}

void certs_folder_remove(void)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	ASSERT(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	ASSERT(rmdir(folder) == 0);
}

const char *certs_path(const char *file)
{
	static char paths[16][128];
	static unsigned used;
	char *path = paths[used++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, file);
	return path;
}

static FILE *create_file(const char *file, const char *ending)
{
	char name[64];
	FILE *to;

	snprintf(name, sizeof(name), "%s%s", file, ending);
	to = fopen(certs_path(name), "we");
	ASSERT(to != NULL);
	ASSERT(fchmod(fileno(to), 0600) == 0);
	return to;
}

static void write_certificate(X509 *certificate, const char *file)
{
	FILE *to = create_file(file, ".pem");

	ASSERT(PEM_write_X509(to, certificate) == 1);
	ASSERT(fclose(to) == 0);
}

static void write_key(EVP_PKEY *key, const char *file)
{
	FILE *to = create_file(file, ".key");

	ASSERT(PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL) == 1);
	ASSERT(fclose(to) == 0);
}

static void add_name(X509 *certificate, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(certificate);

	ASSERT(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					  (const unsigned char *)name, -1, -1,
					  0) == 1);
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ASSERT(extension != NULL);
	ASSERT(X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static X509 *draft(EVP_PKEY *key, long serial, long from_s, long until_s)
{
	X509 *certificate = X509_new();

	ASSERT(certificate != NULL && key != NULL);
	ASSERT(X509_set_version(certificate, X509_VERSION_3) == 1);
	ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial));
	ASSERT(X509_gmtime_adj(X509_getm_notBefore(certificate), from_s));
	ASSERT(X509_gmtime_adj(X509_getm_notAfter(certificate), until_s));
	ASSERT(X509_set_pubkey(certificate, key) == 1);
	return certificate;
}

void authority_create(struct authority *a, const char *name, const char *file)
{
	a->key = EVP_EC_gen("P-256");
	a->last_serial = 1;
	a->certificate = draft(a->key, 1, -30 * CERTS_DAY, 30 * CERTS_DAY);
	add_name(a->certificate, name);
	ASSERT(X509_set_issuer_name(a->certificate,
				    X509_get_subject_name(a->certificate)));
	add_extension(a->certificate, NID_basic_constraints,
		      "critical,CA:TRUE");
	ASSERT(X509_sign(a->certificate, a->key, EVP_sha256()) > 0);
	write_certificate(a->certificate, file);
}

void authority_destroy(struct authority *a)
{
	X509_free(a->certificate);
	EVP_PKEY_free(a->key);
}

long authority_issue(struct authority *a, const struct wish *wish)
{
	bool is_usual = wish->from_s == 0 && wish->until_s == 0;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *made = draft(key, ++a->last_serial,
			   is_usual ? -CERTS_DAY : wish->from_s,
			   is_usual ? CERTS_DAY : wish->until_s);

	add_name(made, wish->name);
	if (wish->other_name != NULL)
		add_name(made, wish->other_name);
	ASSERT(X509_set_issuer_name(made,
				    X509_get_subject_name(a->certificate)));
	if (wish->hosts != NULL)
		add_extension(made, NID_subject_alt_name, wish->hosts);
	if (wish->use != NULL)
		add_extension(made, NID_ext_key_usage, wish->use);
	ASSERT(X509_sign(made, a->key, EVP_sha256()) > 0);
	write_certificate(made, wish->file);
	write_key(key, wish->file);
	X509_free(made);
	EVP_PKEY_free(key);
	return a->last_serial;
}

static void add_revoked(X509_CRL *crl, long serial)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);

	ASSERT(ASN1_INTEGER_set(number, serial) == 1);
	ASSERT(X509_REVOKED_set_serialNumber(revoked, number) == 1);
	ASSERT(X509_REVOKED_set_revocationDate(revoked, now) == 1);
	ASSERT(X509_CRL_add0_revoked(crl, revoked) == 1);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(now);
}

void authority_write_crl(struct authority *a, long revoked, long from_s,
			 long until_s, const char *file)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, from_s);
	ASN1_TIME *until = X509_gmtime_adj(NULL, until_s);
	FILE *to = create_file(file, ".pem");

	ASSERT(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	ASSERT(X509_CRL_set_issuer_name(crl,
					X509_get_subject_name(a->certificate)));
	ASSERT(X509_CRL_set1_lastUpdate(crl, from) == 1);
	ASSERT(X509_CRL_set1_nextUpdate(crl, until) == 1);
	if (revoked != 0)
		add_revoked(crl, revoked);
	ASSERT(X509_CRL_sign(crl, a->key, EVP_sha256()) > 0);
	ASSERT(PEM_write_X509_CRL(to, crl) == 1);
	ASSERT(fclose(to) == 0);
	X509_CRL_free(crl);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}
