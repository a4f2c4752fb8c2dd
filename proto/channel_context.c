/* SPDX-License-Identifier: MIT */
/* Certificates, key and rules for TLS, read from files; and why not, in words
 * that say what to do. */
#include "proto/channel_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a stranger can make us allocate and verify before it is refused. */
enum { CERTIFICATES_BYTES_MAX = 32768, CHAIN_DEPTH_MAX = 8 };

struct loading {
	SSL_CTX *rules;
	uid_t *key_owner;	/* set when that is read */
	const char *setting;	/* whose file is read; NULL: none */
	char *reason;
	size_t reason_size;
};

static int PRINTF_LIKE(3, 4) refuse(const struct loading *ld, int error,
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

/* OpenSSL could not make sense of a file. */
static int refuse_content(const struct loading *ld, const char *path,
			  const char *wanted)
{
	return refuse(ld, -EINVAL, "%s: no good %s in it, PEM is wanted (%s)",
		      path, wanted, channel_reason_words());
}

/* What a key's mode may be says check_key_mode(). */
static int refuse_open(const struct loading *ld, const char *path,
		       const char *what, int error)
{
	int known = error == ENOENT || error == EACCES || error == ENOMEM;
	bool is_key = strcmp(what, "key") == 0;

	return refuse(ld, known ? -error : -EINVAL, "%s: cannot be read: %s%s",
		      path, strerror(error), is_key && error == EACCES ?
			"; chown it to the user memd (or its client) runs as, "
			"or chmod g+r where root owns it" : "");
}

/* The file's descriptor, of a regular file that can be read, or -errno. */
static int open_file(const struct loading *ld, const char *path,
		     const char *what, struct stat *ret_st)
{
	int fd;

	if (path == NULL || path[0] == '\0')
		return refuse(ld, -EINVAL, "TLS wants a %s too, and no file "
			      "is named for it", what);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return refuse_open(ld, path, what, errno);
	if (fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode))
		return fd;
	close(fd);
	return refuse(ld, -EINVAL, "%s: not a regular file", path);
}

/* What OpenSSL reads by name: it does not tell well what is wrong. */
static int check_readable(const struct loading *ld, const char *path,
			  const char *what)
{
	struct stat st;
	int fd = open_file(ld, path, what, &st);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int load_ca(const struct loading *ld, const char *path)
{
	int err = check_readable(ld, path, "CA certificate");

	if (err)
		return err;
	if (SSL_CTX_load_verify_file(ld->rules, path) != 1)
		return refuse_content(ld, path, "CA certificate");
	return 0;
}

static int load_certificate(const struct loading *ld, const char *path)
{
	int err = check_readable(ld, path, "certificate");

	if (err)
		return err;
	if (SSL_CTX_use_certificate_chain_file(ld->rules, path) != 1)
		return refuse_content(ld, path, "certificate");
	return 0;
}

/* A key may be read by its owner, and by root's choice of a group. */
static int check_key_mode(const struct loading *ld, const char *path,
			  const struct stat *st)
{
	mode_t allowed = st->st_uid == 0 ? 0640 : 0600;

	if ((st->st_mode & 077 & ~allowed) == 0)
		return 0;
	return refuse(ld, -EACCES, "others may use the key (mode %04o): "
		      "chmod %04o %s", (unsigned)st->st_mode & 07777,
		      (unsigned)allowed, path);
}

/* In place of a question on the terminal. */
static int no_password(char *to, int size, int is_writing, void *context)
{
	(void)to;
	(void)size;
	(void)is_writing;
	(void)context;
	return -1;
}

static int read_key(const struct loading *ld, int fd, const char *path,
		    EVP_PKEY **ret_key)
{
	BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (key == NULL)
		return refuse_content(ld, path, "key without a password");
	*ret_key = key;
	return 0;
}

static int load_key(const struct loading *ld, const char *path)
{
	EVP_PKEY *key = NULL;
	struct stat st = { 0 };
	int fd = open_file(ld, path, "key", &st);
	int err;

	if (fd < 0)
		return fd;
	err = check_key_mode(ld, path, &st);
	*ld->key_owner = st.st_uid;
	if (!err)
		err = read_key(ld, fd, path, &key);
	close(fd);
	if (err)
		return err;
	/* Says no if it is not that of the certificate, which is loaded. */
	if (SSL_CTX_use_PrivateKey(ld->rules, key) != 1 ||
	    SSL_CTX_check_private_key(ld->rules) != 1)
		err = refuse(ld, -EINVAL, "%s: not the certificate's key (%s)",
			     path, channel_reason_words());
	EVP_PKEY_free(key);
	return err;
}

static int load_crl(const struct loading *ld, const char *path)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ld->rules);
	X509_LOOKUP *lookup;
	int err;

	if (path == NULL || path[0] == '\0')
		return 0;
	err = check_readable(ld, path, "CRL");
	if (err)
		return err;
	lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
	if (lookup == NULL)
		return refuse(ld, -ENOMEM, "no memory");
	if (X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0)
		return refuse_content(ld, path, "list of revoked certificates");
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
					    X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

/* No OpenSSL call may wait in itself for more to come (AUTO_RETRY): one who
 * sends records without data for ever would hold us in it. */
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
	/* For the certificate's file, which may hold a key besides. */
	SSL_CTX_set_default_passwd_cb(rules, no_password);
	if (SSL_CTX_set_min_proto_version(rules, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(rules, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_num_tickets(rules, 0) == 1 &&
	    SSL_CTX_set_max_early_data(rules, 0) == 1)
		return 0;
	return refuse(ld, -EINVAL, "OpenSSL does not allow TLS 1.3 here: %s",
		      channel_reason_words());
}

/* Texts name the settings of memd.conf(5); who calls them otherwise shortens
 * them (client/address.h). */
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
		return refuse(&ld, -ENOMEM, "no memory");
	/* OpenSSL must not end under threads that still use it when the
	 * program that we are in exits. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
	ld.rules = SSL_CTX_new(is_server ? TLS_server_method() :
					   TLS_client_method());
	context->rules = ld.rules;
	ld.key_owner = &context->key_owner;
	if (ld.rules == NULL)
		err = refuse(&ld, -ENOMEM, "OpenSSL does not start: %s",
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
