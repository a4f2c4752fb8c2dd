/* SPDX-License-Identifier: MIT */
/* The validity of a context's certificates and lists. */
#include "proto/channel.h"

#include "proto/channel_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static int64_t seconds_of(const ASN1_TIME *when)
{
	struct tm tm = { 0 };

	/* A list may not say when the next one comes: no end. */
	return when != NULL && ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) :
								 INT64_MAX;
}

/* All of several are needed: keep the first end. */
static void narrow(struct channel_end *end, const X509_NAME *name,
		   const ASN1_TIME *from, const ASN1_TIME *until)
{
	int64_t from_s = seconds_of(from), until_s = seconds_of(until);

	if (until_s <= end->until_s) {
		end->until_s = until_s;
		end->name[0] = '\0';
		channel_common_name(name, end->name);
	}
	end->from_s = MAX(end->from_s, from_s);
}

static void narrow_by(struct channel_end *end, const X509 *certificate)
{
	narrow(end, X509_get_subject_name(certificate),
	       X509_get0_notBefore(certificate),
	       X509_get0_notAfter(certificate));
}

/* Returns the last certificate of the chain in the file; NULL: there is
 * none. */
static X509 *look_at_ours(SSL_CTX *rules, struct channel_end *end)
{
	X509 *last = SSL_CTX_get0_certificate(rules);
	STACK_OF(X509) *chain = NULL;

	*end = (struct channel_end){ .setting = "tls_certificate",
				     .until_s = INT64_MAX };
	if (last == NULL)
		return NULL;
	narrow_by(end, last);
	(void)SSL_CTX_get0_chain_certs(rules, &chain);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		last = sk_X509_value(chain, i);
		narrow_by(end, last);
	}
	return last;
}

/* True if CA `a` matters more than `b`: the one that has signed the own
 * certificate; if both or none have, the one that is valid longer.  (While a CA
 * is being replaced there are two.) */
static bool is_better_ca(X509 *a, X509 *b, X509 *ours)
{
	bool has_a_signed, has_b_signed;

	if (b == NULL)
		return true;
	has_a_signed = ours != NULL && X509_check_issued(a, ours) == X509_V_OK;
	has_b_signed = ours != NULL && X509_check_issued(b, ours) == X509_V_OK;
	if (has_a_signed != has_b_signed)
		return has_a_signed;
	return seconds_of(X509_get0_notAfter(a)) >
	       seconds_of(X509_get0_notAfter(b));
}

static void look_at_ca(STACK_OF(X509_OBJECT) *all, X509 *ours,
		       struct channel_end *end)
{
	X509 *best = NULL;

	*end = (struct channel_end){ .setting = "tls_ca",
				     .until_s = INT64_MAX };
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (ca != NULL && is_better_ca(ca, best, ours))
			best = ca;
	}
	if (best != NULL)
		narrow_by(end, best);
}

static bool look_at_lists(STACK_OF(X509_OBJECT) *all, struct channel_end *end)
{
	bool has_any = false;

	*end = (struct channel_end){ .setting = "tls_crl",
				     .until_s = INT64_MAX };
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(
			sk_X509_OBJECT_value(all, i));

		if (crl == NULL)
			continue;
		narrow(end, X509_CRL_get_issuer(crl),
		       X509_CRL_get0_lastUpdate(crl),
		       X509_CRL_get0_nextUpdate(crl));
		has_any = true;
	}
	return has_any;
}

unsigned channel_context_ends(const struct channel_context *context,
			      struct channel_end ret_ends[CHANNEL_ENDS])
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(
		SSL_CTX_get_cert_store(context->rules));
	X509 *ours = look_at_ours(context->rules, &ret_ends[0]);
	unsigned count = 2;

	look_at_ca(all, ours, &ret_ends[1]);
	count += look_at_lists(all, &ret_ends[2]);
	ERR_clear_error();
	return count;
}
