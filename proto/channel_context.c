/* SPDX-License-Identifier: MIT */
/* Reads certificates, key and rules for TLS from files.  If this fails, the
 * reason says what to do. */
#include "proto/channel.h"

#include "proto/channel_tls.h"

#include "common/text_file.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* Limits of what an unknown client can make this end allocate and verify. */
enum { CERTIFICATES_BYTES_MAX = 32768, CHAIN_DEPTH_MAX = 8 };

/* Of each file.  A list of revoked certificates can be long. */
enum { FILE_BYTES_MAX = 16 << 20 };

struct loading {
	SSL_CTX *rules;
	uid_t *key_owner;	/* set when the key is read */
	/* Setting of the file that is read; NULL: none. */
	const char *setting;
	char *reason;
	size_t reason_size;
};

static int PRINTF_LIKE(3, 4) deny(const struct loading *ld, int error,
				  const char *format, ...)
{
	size_t used = 0;
	va_list args;

	if (ld->setting != NULL && ld->reason_size != 0) {
		snprintf(ld->reason, ld->reason_size, "%s: ", ld->setting);
		used = strlen(ld->reason);
	}
	va_start(args, format);
	vsnprintf(ld->reason + used, ld->reason_size - used, format, args);
	va_end(args);
	return error;
}

/* OpenSSL could not read a file's content. */
static int refuse_content(const struct loading *ld, const char *path,
			  const char *wanted)
{
	return deny(ld, -EINVAL, "%s: contains no valid %s in PEM form (%s)",
		    path, wanted, channel_reason_words());
}

/* check_key_mode() has the rules for the mode of a key. */
static const char *cure_of(const char *what, int error)
{
	return strcmp(what, "key") == 0 && error == -EACCES ?
		"; chown it to the user memd (or its client) runs as, or "
		"chmod g+r where root owns it" : "";
}

/* A file that was read, for OpenSSL to read from memory.  OpenSSL itself would
 * open whatever has the name by then, and might block. */
struct pem {
	struct text_file file;
	BIO *bio;
};

static void pem_close(struct pem *pem)
{
	BIO_free(pem->bio);
	text_file_free(&pem->file);
}

/* Returns 0, or -errno with the reason. */
static int pem_open(const struct loading *ld, const char *path,
		    const char *what, struct pem *ret_pem)
{
	struct pem pem = { .bio = NULL };
	char why[CHANNEL_REASON_BYTES];
	int err;

	if (path == NULL || path[0] == '\0')
		return deny(ld, -EINVAL, "TLS wants a %s too, and no file "
			    "is named for it", what);
	err = text_file_read(path, FILE_BYTES_MAX, &pem.file, why,
			     sizeof(why));
	if (err != 0)
		return deny(ld, err == -ENOENT || err == -EACCES ||
			    err == -ENOMEM ? err : -EINVAL, "%s: %s%s", path,
			    why, cure_of(what, err));
	pem.bio = BIO_new_mem_buf(pem.file.text, (int)pem.file.length);
	if (pem.bio == NULL) {
		pem_close(&pem);
		return deny(ld, -ENOMEM, "no memory");
	}
	*ret_pem = pem;
	return 0;
}

/* For keys with a password: fail, and do not ask on the terminal. */
static int no_password(char *to, int size, int is_writing, void *context)
{
	(void)to;
	(void)size;
	(void)is_writing;
	(void)context;
	return -1;
}

/* True if the last read from a BIO failed because there is no more.  Then this
 * is no error, and is removed. */
static bool is_at_end(void)
{
	unsigned long error = ERR_peek_last_error();

	if (ERR_GET_LIB(error) != ERR_LIB_PEM ||
	    ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

/* ---- CA */

/* The file may have lists of revoked certificates as well. */
static bool add_info(X509_STORE *store, const X509_INFO *info, size_t *count)
{
	if (info->x509 != NULL && X509_STORE_add_cert(store, info->x509) != 1)
		return false;
	if (info->crl != NULL && X509_STORE_add_crl(store, info->crl) != 1)
		return false;
	*count += info->x509 != NULL || info->crl != NULL;
	return true;
}

static bool use_ca(SSL_CTX *rules, BIO *bio)
{
	X509_STORE *store = SSL_CTX_get_cert_store(rules);
	STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(bio, NULL,
							  no_password, NULL);
	bool is_good = all != NULL;
	size_t count = 0;

	for (int i = 0; i < sk_X509_INFO_num(all) && is_good; i++)
		is_good = add_info(store, sk_X509_INFO_value(all, i), &count);
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	if (is_good && count == 0)
		ERR_raise(ERR_LIB_X509, X509_R_NO_CERTIFICATE_FOUND);
	return is_good && count > 0;
}

static int load_ca(const struct loading *ld, const char *path)
{
	struct pem pem = { .bio = NULL };
	int err = pem_open(ld, path, "CA certificate", &pem);

	if (err)
		return err;
	if (!use_ca(ld->rules, pem.bio))
		err = refuse_content(ld, path, "CA certificate");
	pem_close(&pem);
	return err;
}

/* ---- certificate */

static bool use_first(SSL_CTX *rules, BIO *bio)
{
	X509 *own = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
	bool is_good = own != NULL && SSL_CTX_use_certificate(rules, own) == 1;

	X509_free(own);
	return is_good;
}

/* The own certificate, and then those between it and the CA. */
static bool use_chain(SSL_CTX *rules, BIO *bio)
{
	X509 *next;

	if (!use_first(rules, bio))
		return false;
	while ((next = PEM_read_bio_X509(bio, NULL, no_password, NULL)) !=
	       NULL)
		if (SSL_CTX_add0_chain_cert(rules, next) != 1) {
			X509_free(next);
			return false;
		}
	return is_at_end();
}

static int load_certificate(const struct loading *ld, const char *path)
{
	struct pem pem = { .bio = NULL };
	int err = pem_open(ld, path, "certificate", &pem);

	if (err)
		return err;
	if (!use_chain(ld->rules, pem.bio))
		err = refuse_content(ld, path, "certificate");
	pem_close(&pem);
	return err;
}

/* ---- key */

/* Only the owner may be allowed to read the key; if root owns it, a group may
 * be, too. */
static int check_key_mode(const struct loading *ld, const char *path,
			  const struct stat *st)
{
	mode_t allowed = st->st_uid == 0 ? 0640 : 0600;

	if ((st->st_mode & 077 & ~allowed) == 0)
		return 0;
	return deny(ld, -EACCES, "others may use the key (mode %04o): "
		    "chmod %04o %s", (unsigned)st->st_mode & 07777,
		    (unsigned)allowed, path);
}

static int use_key(const struct loading *ld, BIO *bio, const char *path)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	int err = 0;

	if (key == NULL)
		return refuse_content(ld, path, "key without a password");
	/* Fails if the key does not belong to the certificate, which is loaded
	 * already. */
	if (SSL_CTX_use_PrivateKey(ld->rules, key) != 1 ||
	    SSL_CTX_check_private_key(ld->rules) != 1)
		err = deny(ld, -EINVAL, "%s: not the certificate's key (%s)",
			   path, channel_reason_words());
	EVP_PKEY_free(key);
	return err;
}

static int load_key(const struct loading *ld, const char *path)
{
	struct pem pem = { .bio = NULL };
	int err = pem_open(ld, path, "key", &pem);

	if (err)
		return err;
	err = check_key_mode(ld, path, &pem.file.st);
	*ld->key_owner = pem.file.st.st_uid;
	if (!err)
		err = use_key(ld, pem.bio, path);
	pem_close(&pem);
	return err;
}

/* ---- list of revoked certificates */

static bool use_lists(SSL_CTX *rules, BIO *bio)
{
	X509_STORE *store = SSL_CTX_get_cert_store(rules);
	bool is_good = true;
	size_t count = 0;
	X509_CRL *list;

	while (is_good && (list = PEM_read_bio_X509_CRL(bio, NULL, no_password,
							NULL)) != NULL) {
		is_good = X509_STORE_add_crl(store, list) == 1;
		X509_CRL_free(list);
		count++;
	}
	return is_good && count > 0 && is_at_end();
}

static int load_crl(const struct loading *ld, const char *path)
{
	struct pem pem = { .bio = NULL };
	int err;

	if (path == NULL || path[0] == '\0')
		return 0;
	err = pem_open(ld, path, "CRL", &pem);
	if (err)
		return err;
	if (!use_lists(ld->rules, pem.bio))
		err = refuse_content(ld, path, "list of revoked certificates");
	pem_close(&pem);
	if (!err)
		X509_STORE_set_flags(SSL_CTX_get_cert_store(ld->rules),
				     X509_V_FLAG_CRL_CHECK |
				     X509_V_FLAG_CRL_CHECK_ALL);
	return err;
}

/* ---- all files */

/* Without AUTO_RETRY: otherwise a client that sends records without data for
 * ever would keep a call of OpenSSL busy. */
static int set_rules(const struct loading *ld)
{
	SSL_CTX *rules = ld->rules;

	SSL_CTX_set_options(rules, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					   SSL_OP_NO_COMPRESSION);
	SSL_CTX_clear_options(rules, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(rules, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(rules, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(rules, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(rules, CERTIFICATES_BYTES_MAX);
	SSL_CTX_set_verify_depth(rules, CHAIN_DEPTH_MAX);
	SSL_CTX_set_verify(rules, SSL_VERIFY_PEER |
					  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   NULL);
	if (SSL_CTX_set_min_proto_version(rules, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(rules, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_num_tickets(rules, 0) == 1 &&
	    SSL_CTX_set_max_early_data(rules, 0) == 1)
		return 0;
	return deny(ld, -EINVAL, "OpenSSL does not allow TLS 1.3 here: %s",
		    channel_reason_words());
}

/* Reasons name the settings of memd.conf(5).  Programs whose settings have
 * shorter names replace them. */
static int load_all(struct loading *ld, const struct channel_tls_files *files)
{
	const struct {
		const char *setting, *path;
		int (*load)(const struct loading *ld, const char *path);
	} step[] = {
		{ "tls_ca", files->ca, load_ca },
		{ "tls_certificate", files->certificate, load_certificate },
		{ "tls_key", files->key, load_key },
		{ "tls_crl", files->crl, load_crl },
	};
	int err = set_rules(ld);

	for (size_t i = 0; i < ARRAY_SIZE(step) && !err; i++) {
		ld->setting = step[i].setting;
		err = step[i].load(ld, step[i].path);
	}
	return err;
}

int channel_context_create(const struct channel_tls_files *files,
			   bool is_server, struct channel_context **ret_context,
			   char *ret_reason, size_t reason_size)
{
	struct loading ld = { .reason = ret_reason,
			      .reason_size = reason_size };
	struct channel_context *context = calloc(1, sizeof(*context));
	int err = -ENOMEM;

	if (context == NULL)
		return deny(&ld, -ENOMEM, "no memory");
	/* OpenSSL must not clean up at exit of the program, while threads still
	 * use it. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
	ld.rules = SSL_CTX_new(is_server ? TLS_server_method() :
					   TLS_client_method());
	context->rules = ld.rules;
	ld.key_owner = &context->key_owner;
	if (ld.rules == NULL)
		err = deny(&ld, -ENOMEM, "OpenSSL does not start: %s",
			   channel_reason_words());
	else
		err = load_all(&ld, files);
	ERR_clear_error();
	if (err) {
		channel_context_destroy(context);
		return err;
	}
	*ret_context = context;
	return 0;
}

uid_t channel_context_key_owner(const struct channel_context *context)
{
	return context->key_owner;
}

void channel_context_destroy(struct channel_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->rules);
	free(context);
}
