/* SPDX-License-Identifier: MIT */
/* Checks the certificate of the other side again, by newer rules.  It was good
 * in the handshake. */
#include "proto/channel.h"

#include "proto/channel_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

/* An expired date is no reason to end the connection: a connection made while
 * the certificate was valid stays, as it would without a reload.  The next
 * handshake checks the date. */
static int pass_over_dates(int is_good, X509_STORE_CTX *check)
{
	int fault = X509_STORE_CTX_get_error(check);

	if (fault != X509_V_ERR_CERT_HAS_EXPIRED &&
	    fault != X509_V_ERR_CRL_HAS_EXPIRED)
		return is_good;
	X509_STORE_CTX_set_error(check, X509_V_OK);
	return 1;
}

/* As in a handshake. */
static int verify(SSL *ssl, SSL_CTX *rules, X509_STORE_CTX *check,
		  char ret_reason[CHANNEL_REASON_BYTES])
{
	X509_VERIFY_PARAM *wanted;

	if (X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(rules),
				SSL_get0_peer_certificate(ssl),
				SSL_get_peer_cert_chain(ssl)) != 1 ||
	    X509_STORE_CTX_set_default(check, SSL_is_server(ssl) ?
				       "ssl_client" : "ssl_server") != 1)
		return -ENOMEM;
	wanted = X509_STORE_CTX_get0_param(check);
	X509_VERIFY_PARAM_set_auth_level(wanted, SSL_get_security_level(ssl));
	if (X509_VERIFY_PARAM_set1(wanted, SSL_get0_param(ssl)) != 1)
		return -ENOMEM;
	X509_STORE_CTX_set_verify_cb(check, pass_over_dates);
	if (X509_verify_cert(check) == 1)
		return 0;
	channel_reason_certificate(ssl, X509_STORE_CTX_get_error(check),
				   ret_reason);
	return -EACCES;
}

int channel_verify(const struct channel *ch,
		   const struct channel_context *context,
		   char ret_reason[CHANNEL_REASON_BYTES])
{
	SSL *ssl = ch->ssl;
	X509_STORE_CTX *check;
	int err = -ENOMEM;

	if (ssl == NULL || context == NULL ||
	    SSL_get_SSL_CTX(ssl) == context->rules)
		return 0;
	ERR_clear_error();
	check = X509_STORE_CTX_new();
	if (check != NULL)
		err = verify(ssl, context->rules, check, ret_reason);
	if (err == -ENOMEM)
		snprintf(ret_reason, CHANNEL_REASON_BYTES, "no memory");
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return err;
}
