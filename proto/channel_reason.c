/* SPDX-License-Identifier: MIT */
/* Turns OpenSSL's errors into texts that tell an administrator what to
 * repair. */
#include "proto/channel_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdio.h>

struct saying {
	long code;
	const char *words;
};

static const struct saying certificate_faults[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "certificate has expired" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "certificate is not yet valid; "
	  "are the clocks right?" },
	{ X509_V_ERR_CERT_REVOKED, "certificate is revoked" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "unknown CA" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown CA" },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "unknown CA" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
	  "unknown CA (it is signed by itself)" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "unknown CA" },
	{ X509_V_ERR_CERT_UNTRUSTED, "unknown CA" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE,
	  "unknown CA (with the name of a known one)" },
	{ X509_V_ERR_INVALID_PURPOSE,
	  "certificate is not for this use (server or client)" },
	{ X509_V_ERR_UNABLE_TO_GET_CRL, "list of revoked certificates (CRL) "
	  "has none of the certificate's CA" },
	{ X509_V_ERR_CRL_HAS_EXPIRED,
	  "list of revoked certificates (CRL) has expired" },
	{ X509_V_ERR_CRL_NOT_YET_VALID,
	  "list of revoked certificates (CRL) is not yet valid" },
	{ 0, NULL },
};

/* Alerts: what the other side says of this end. */
static const struct saying alerts[] = {
	{ SSL_AD_BAD_CERTIFICATE, "bad certificate" },
	{ SSL_AD_UNSUPPORTED_CERTIFICATE,
	  "certificate is not for this use (server or client)" },
	{ SSL_AD_CERTIFICATE_REVOKED, "certificate is revoked" },
	{ SSL_AD_CERTIFICATE_EXPIRED, "certificate has expired" },
	{ SSL_AD_CERTIFICATE_UNKNOWN, "certificate is not acceptable" },
	{ SSL_AD_UNKNOWN_CA, "unknown CA" },
	{ SSL_AD_ACCESS_DENIED, "access denied" },
	{ TLS13_AD_CERTIFICATE_REQUIRED,
	  "there is none, and it wants one" },
	{ 0, NULL },
};

static const struct saying protocol_faults[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, "the other side speaks no TLS" },
	{ SSL_R_HTTP_REQUEST, "the other side speaks no TLS, but HTTP" },
	{ SSL_R_HTTPS_PROXY_REQUEST, "the other side speaks no TLS, but HTTP" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "only TLS 1.3 is spoken here, and the "
	  "other side has an older version" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "only TLS 1.3 is spoken here, "
	  "and the other side refuses it" },
	{ 0, NULL },
};

/* The text for `code`; NULL: there is none.  A table ends with words NULL. */
static const char *saying_find(const struct saying *table, long code)
{
	while (table->words != NULL && table->code != code)
		table++;
	return table->words;
}

static void PRINTF_LIKE(2, 3) spell(char *ret_reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_reason, CHANNEL_REASON_BYTES, format, args);
	va_end(args);
}

static void say_name_mismatch(SSL *ssl, long fault, char *ret_reason)
{
	X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
	char *address = X509_VERIFY_PARAM_get1_ip_asc(wanted);
	const char *host = X509_VERIFY_PARAM_get0_host(wanted, 0);

	if (fault == X509_V_ERR_IP_ADDRESS_MISMATCH)
		spell(ret_reason, "IP address mismatch: the other side's "
		      "certificate is not for %s", address ? address : "it");
	else
		spell(ret_reason, "host name mismatch: the other side's "
		      "certificate is not for %s", host ? host : "it");
	OPENSSL_free(address);
}

void channel_reason_certificate(SSL *ssl, long fault,
				char ret_reason[CHANNEL_REASON_BYTES])
{
	const char *words = saying_find(certificate_faults, fault);

	if (fault == X509_V_ERR_HOSTNAME_MISMATCH ||
	    fault == X509_V_ERR_IP_ADDRESS_MISMATCH)
		say_name_mismatch(ssl, fault, ret_reason);
	else
		spell(ret_reason, "the other side's certificate: %s",
		      words != NULL ? words :
				    X509_verify_cert_error_string(fault));
}

static int say_alert(int alert, char *ret_reason)
{
	const char *words = saying_find(alerts, alert);

	if (alert == SSL_AD_INTERNAL_ERROR) {
		spell(ret_reason, "the other side has no room for another "
		      "connection, or from this address; its log says why");
		return -EBUSY;
	}
	if (words != NULL)
		spell(ret_reason, "the other side refuses our certificate: %s",
		      words);
	else
		spell(ret_reason, "the other side refuses: %s",
		      SSL_alert_desc_string_long(alert));
	return words != NULL ? -EACCES : -EPROTO;
}

static int say_protocol_fault(int code, char *ret_reason)
{
	const char *words = saying_find(protocol_faults, code);

	if (words == NULL)
		words = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, code));
	spell(ret_reason, "%s", words != NULL ? words : "unknown fault in TLS");
	return -EPROTO;
}

int channel_reason_cut(bool is_open, char ret_reason[CHANNEL_REASON_BYTES])
{
	spell(ret_reason, is_open ?
		"the other side ended the connection without a goodbye" :
		"the other side ended the connection in the handshake; "
		"does it speak TLS?");
	return -ECONNRESET;
}

static int say_ssl_fault(SSL *ssl, int code, bool is_open, char *ret_reason)
{
	switch (code) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		channel_reason_certificate(ssl, SSL_get_verify_result(ssl),
					   ret_reason);
		return -EACCES;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		spell(ret_reason, "the other side has no certificate");
		return -EACCES;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return channel_reason_cut(is_open, ret_reason);
	default:
		/* alerts that were received have numbers above these */
		if (code >= SSL_AD_REASON_OFFSET &&
		    saying_find(protocol_faults, code) == NULL)
			return say_alert(code - SSL_AD_REASON_OFFSET,
					 ret_reason);
		return say_protocol_fault(code, ret_reason);
	}
}

const char *channel_reason_words(void)
{
	const char *words = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return words != NULL ? words : "no reason given";
}

int channel_reason_take(SSL *ssl, bool is_open,
			char ret_reason[CHANNEL_REASON_BYTES])
{
	unsigned long error = ERR_peek_last_error();
	const char *words = channel_reason_words();

	if (ERR_GET_LIB(error) == ERR_LIB_SSL)
		return say_ssl_fault(ssl, ERR_GET_REASON(error), is_open,
				     ret_reason);
	spell(ret_reason, "TLS: %s", words);
	return -EPROTO;
}
