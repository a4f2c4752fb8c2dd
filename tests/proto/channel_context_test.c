/* SPDX-License-Identifier: MIT */
/* Proves that files of certificates and keys that cannot be used, or should
 * not, are refused with the right error and one line that names the file and
 * the fault, that nobody is asked for a password, that it is known until when
 * they are good, and that nothing is held afterwards. */
#include "proto/channel.h"
#include "tests/odd_file.h"
#include "tests/proto/certs.h"
#include "tests/proto/channel_pair.h"
#include "tests/skip.h"
#include "tests/open_descriptors.h"

#include <errno.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static char reason[CHANNEL_REASON_BYTES];

static int try_files(const char *ca, const char *certificate, const char *key,
		     const char *crl)
{
	struct channel_tls_files files = {
		.ca = certs_path(ca), .certificate = certs_path(certificate),
		.key = certs_path(key),
		.crl = crl == NULL ? NULL : certs_path(crl),
	};
	struct channel_context *context = NULL;
	int err = channel_context_create(&files, true, &context, reason,
					 sizeof(reason));

	assert_int_equal(err == 0, context != NULL);
	channel_context_destroy(context);
	return err;
}

static void assert_reason(const char *file, const char *text)
{
	if (strstr(reason, file) == NULL || strstr(reason, text) == NULL ||
	    strchr(reason, '\n') != NULL)
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", reason, file, text);
}

static void good_files_are_taken(void **state)
{
	(void)state;
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key", NULL),
			 0);
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key",
				   "crl.pem"), 0);
}

static void missing_files_are_named(void **state)
{
	(void)state;
	assert_int_equal(try_files("no.pem", "server.pem", "server.key", NULL),
			 -ENOENT);
	assert_reason("/no.pem", "No such file");
	assert_int_equal(strncmp(reason, "tls_ca: /", 9), 0);
	assert_int_equal(try_files("ca.pem", "no.pem", "server.key", NULL),
			 -ENOENT);
	assert_reason("/no.pem", "No such file");
	assert_int_equal(strncmp(reason, "tls_certificate: /", 18), 0);
	assert_int_equal(try_files("ca.pem", "server.pem", "no.key", NULL),
			 -ENOENT);
	assert_reason("/no.key", "No such file");
	assert_int_equal(strncmp(reason, "tls_key: /", 10), 0);
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key",
				   "no.pem"), -ENOENT);
	assert_reason("/no.pem", "No such file");
	assert_int_equal(strncmp(reason, "tls_crl: /", 10), 0);
}

static void half_of_the_settings_is_not_enough(void **state)
{
	struct channel_tls_files files = { .ca = certs_path("ca.pem"),
					   .certificate = "" };
	struct channel_context *context;

	(void)state;
	assert_int_equal(channel_context_create(&files, false, &context, reason,
						sizeof(reason)), -EINVAL);
	assert_reason("", "certificate too");
	files.certificate = certs_path("server.pem");
	assert_int_equal(channel_context_create(&files, false, &context, reason,
						sizeof(reason)), -EINVAL);
	assert_reason("", "key too");
}

static void files_of_another_kind_are_refused(void **state)
{
	(void)state;
	assert_int_equal(try_files("", "server.pem", "server.key", NULL),
			 -EINVAL);
	assert_reason("", "not a regular file");
	assert_int_equal(try_files("server.key", "server.pem", "server.key",
				   NULL), -EINVAL);
	assert_reason("server.key", "CA certificate");
	assert_int_equal(try_files("ca.pem", "server.key", "server.key", NULL),
			 -EINVAL);
	assert_reason("server.key", "certificate");
	assert_int_equal(try_files("ca.pem", "server.pem", "alice.pem", NULL),
			 -EINVAL);
	assert_reason("alice.pem", "key");
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key",
				   "ca.pem"), -EINVAL);
	assert_reason("ca.pem", "revoked");
}

/* Each in the place of each setting: none is waited for. */
static void what_is_no_file_is_refused(void **state)
{
	static const char *const settings[] = { "tls_ca: ", "tls_certificate: ",
						"tls_key: ", "tls_crl: " };
	const char *file[4];

	(void)state;
	for (unsigned i = 0; i < ODD_FILES; i++) {
		assert_int_equal(odd_file_put(i, certs_path("odd")), 0);
		for (unsigned k = 0; k < ARRAY_SIZE(settings); k++) {
			file[0] = "ca.pem";
			file[1] = "server.pem";
			file[2] = "server.key";
			file[3] = NULL;
			file[k] = "odd";
			assert_int_equal(try_files(file[0], file[1], file[2],
						   file[3]), -EINVAL);
			assert_reason(settings[k], odd_file_words[i]);
			assert_reason("/odd: ", odd_file_words[i]);
		}
	}
	assert_int_equal(remove(certs_path("odd")), 0);
}

static void keys_of_others_are_refused(void **state)
{
	(void)state;
	assert_int_equal(try_files("ca.pem", "server.pem", "alice.key", NULL),
			 -EINVAL);
	assert_reason("alice.key", "not the certificate's key");
}

/* Root may read everything, so somebody else has to try. */
static void keys_we_may_not_read_are_explained(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_case("needs root");
	assert_int_equal(chmod(certs_path(""), 0711), 0);
	assert_int_equal(chmod(certs_path("ca.pem"), 0644), 0);
	assert_int_equal(chmod(certs_path("server.pem"), 0644), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key", NULL),
			 -EACCES);
	assert_int_equal(seteuid(0), 0);
	assert_reason("server.key: cannot be read: Permission denied; ",
		      "chown it to the user memd");
}

static void keys_that_others_may_read_are_refused(void **state)
{
	static const mode_t modes[] = { 0644, 0604, 0620, 0660, 0602, 0601 };
	char path[128], cure[CHANNEL_REASON_BYTES];
	bool is_root = geteuid() == 0;

	(void)state;
	snprintf(path, sizeof(path), "%s", certs_path("server.key"));
	snprintf(cure, sizeof(cure), "chmod %s %s", is_root ? "0640" : "0600",
		 path);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(try_files("ca.pem", "server.pem",
					   "server.key", NULL), -EACCES);
		assert_reason("others may use the key", cure);
	}
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key", NULL),
			 is_root ? 0 : -EACCES);
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(try_files("ca.pem", "server.pem", "server.key", NULL),
			 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void passwords_are_not_asked_for(void **state)
{
	char word[] = "word";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *to = fopen(certs_path("locked.key"), "we");

	(void)state;
	assert_non_null(to);
	assert_int_equal(PEM_write_PKCS8PrivateKey(to, key, EVP_aes_128_cbc(),
						   word, 4, NULL, NULL), 1);
	assert_int_equal(fchmod(fileno(to), 0600), 0);
	fclose(to);
	EVP_PKEY_free(key);
	assert_int_equal(try_files("ca.pem", "server.pem", "locked.key", NULL),
			 -EINVAL);
	assert_reason("locked.key", "without a password");
}

static void concatenate(const char *const *files, const char *to)
{
	FILE *out = fopen(certs_path(to), "we");
	int ch;

	assert_non_null(out);
	for (; *files != NULL; files++) {
		FILE *in = fopen(certs_path(*files), "re");

		assert_non_null(in);
		while ((ch = fgetc(in)) != EOF)
			fputc(ch, out);
		fclose(in);
	}
	assert_int_equal(fclose(out), 0);
}

static void expect_end(const struct channel_end *end, const char *setting,
		       const char *name, int64_t days)
{
	const int64_t now_s = time(NULL), hour_s = 3600;

	assert_string_equal(end->setting, setting);
	assert_string_equal(end->name, name);
	/* The world was made a moment ago. */
	assert_true(end->until_s <= now_s + days * CERTS_DAY);
	assert_true(end->until_s > now_s + days * CERTS_DAY - hour_s);
}

static void the_first_to_end_is_known(void **state)
{
	static const char *const cas[] = { "stranger_ca.pem", "ca.pem",
					   "twin_ca.pem", NULL };
	static const char *const lists[] = { "crl_none.pem", "crl_old.pem",
					     "crl.pem", NULL };
	static const char *const chain[] = { "server.pem", "old.pem",
					     "ca.pem", NULL };
	struct channel_end ends[CHANNEL_ENDS];
	struct channel_context *context;

	(void)state;
	concatenate(cas, "cas.pem");
	context = context_of("server", "cas.pem", NULL, true);
	assert_int_equal(channel_context_ends(context, ends), 2);
	expect_end(&ends[0], "tls_certificate", "the server", 1);
	expect_end(&ends[1], "tls_ca", "ours", 30);
	channel_context_destroy(context);
	/* Of the CAs it is that which has signed ours. */
	context = context_of("stranger", "cas.pem", NULL, true);
	assert_int_equal(channel_context_ends(context, ends), 2);
	expect_end(&ends[1], "tls_ca", "stranger", 30);
	channel_context_destroy(context);
	/* A chain is good as long as all of it, lists as long as all are. */
	concatenate(chain, "chain.pem");
	concatenate(lists, "lists.pem");
	assert_int_equal(rename(certs_path("chain.pem"),
				certs_path("server_chain.pem")), 0);
	assert_int_equal(link(certs_path("server.key"),
			      certs_path("server_chain.key")), 0);
	context = context_of("server_chain", "ca.pem", "lists.pem", true);
	assert_int_equal(channel_context_ends(context, ends), 3);
	expect_end(&ends[0], "tls_certificate", "old", -1);
	expect_end(&ends[2], "tls_crl", "ours", -1);
	channel_context_destroy(context);
}

static void no_descriptor_is_left(void **state)
{
	unsigned before = open_descriptors();
	struct pair p;

	good_files_are_taken(state);
	files_of_another_kind_are_refused(state);
	what_is_no_file_is_refused(state);
	keys_of_others_are_refused(state);
	keys_that_others_may_read_are_refused(state);
	passwords_are_not_asked_for(state);
	pair_open_good(&p, false);
	pair_close(&p);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_are_taken),
		cmocka_unit_test(missing_files_are_named),
		cmocka_unit_test(half_of_the_settings_is_not_enough),
		cmocka_unit_test(files_of_another_kind_are_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(keys_of_others_are_refused),
		cmocka_unit_test(keys_we_may_not_read_are_explained),
		cmocka_unit_test(keys_that_others_may_read_are_refused),
		cmocka_unit_test(passwords_are_not_asked_for),
		cmocka_unit_test(the_first_to_end_is_known),
		cmocka_unit_test(no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, world_create, world_remove);
}
