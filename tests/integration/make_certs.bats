#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that deploy/make-certs.sh makes certificates that OpenSSL believes in
# for the right hosts and uses only, that keys are private, that revoked ones
# stay revoked, that it never writes over what is there but to renew it, and
# that what it is not meant to do fails with a line that says why.

setup_file() {
	command -v openssl >/dev/null || skip "no openssl here"
	export certs=$BATS_FILE_TMPDIR/certs
	export script=$BATS_TEST_DIRNAME/../../deploy/make-certs.sh
	"$script" "$certs" --client alice --client bob@host \
		--server 'db.example.org,*.in.example.org,10.1.2.3,fd00::1' \
		>"$BATS_FILE_TMPDIR/said"
}

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# verify USE FILE OPTION...: as memd does.
verify() {
	local use=$1 file=$2
	shift 2
	openssl verify -x509_strict -purpose "$use" -CAfile "$certs/ca.pem" \
		-CRLfile "$certs/crl.pem" -crl_check_all "$@" \
		"$certs/$file.pem"
}

not() {
	! "$@"
}

# fails TEXT ARGUMENT...: a line with TEXT, and status 1 or 2.
fails() {
	local text=$1
	shift
	run "$script" "$@"
	echo "$output"
	[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
	[[ "${lines[0]}" = make-certs:*"$text"* ]]
}

@test "all files are there, keys for their owner only, and nothing else" {
	[ "$(ls -A "$certs" | paste -sd ' ')" = "alice.key alice.pem \
bob@host.key bob@host.pem ca.index ca.key ca.pem crl.pem server.key \
server.pem" ]
	[ "$(stat -c %a "$certs"/*.key | sort -u)" = 600 ]
	[ "$(stat -c %a "$certs"/*.pem | sort -u)" = 644 ]
}

@test "the server is believed by its names and addresses, and no others" {
	local good
	for good in '-verify_hostname db.example.org' \
		'-verify_hostname a.in.example.org' \
		'-verify_ip 10.1.2.3' '-verify_ip fd00::1'; do
		verify sslserver server $good
	done
	not verify sslserver server -verify_hostname localhost
	not verify sslserver server -verify_hostname memd
	not verify sslserver server -verify_ip 127.0.0.1
}

@test "clients are clients by their names, and no servers" {
	verify sslclient alice
	verify sslclient bob@host
	# A memd may be another one's client.
	verify sslclient server
	not verify sslserver alice
	[ "$(openssl x509 -in "$certs/alice.pem" -noout -subject)" = \
		'subject=CN = alice' ]
}

@test "each key is its certificate's, on P-256, and each serial its own" {
	local name
	for name in ca server alice bob@host; do
		[ "$(openssl x509 -in "$certs/$name.pem" -noout -pubkey)" = \
			"$(openssl pkey -in "$certs/$name.key" -pubout)" ]
		openssl pkey -in "$certs/$name.key" -noout -text |
			grep -q prime256v1
		openssl x509 -in "$certs/$name.pem" -noout -serial
	done >serials
	[ "$(sort -u serials | wc -l)" -eq 4 ]
}

@test "it says what to write into memd.conf, and the address" {
	local said=$BATS_FILE_TMPDIR/said key
	for key in ca certificate key crl; do
		[ -f "$(sed -n "s/^ *tls_$key = //p" "$said")" ]
	done
	grep -q '^    listen_tcp = :[0-9]*$' "$said"
	grep -q '^    tls_users = ' "$said"
	grep -q "tcp://db.example.org:7433?tls_ca=$certs/ca.pem&tls_certificate=" \
		"$said"
}

@test "every setting it names is one of memd's" {
	local key
	for key in $(sed -n 's/^    \([a-z_]*\) = .*/\1/p' \
		"$BATS_FILE_TMPDIR/said"); do
		grep -q "^$key =" "$BATS_TEST_DIRNAME/../../deploy/memd.conf"
	done
}

@test "clients are added to a CA that is there, which stays as it is" {
	cp -a "$certs" here
	"$script" here --client carol --days 7
	cmp here/ca.pem "$certs/ca.pem"
	cmp here/ca.key "$certs/ca.key"
	cmp here/server.pem "$certs/server.pem"
	cmp here/crl.pem "$certs/crl.pem"
	certs=here verify sslclient carol
	openssl x509 -in here/carol.pem -noout -checkend $((6 * 86400))
	not openssl x509 -in here/carol.pem -noout -checkend $((8 * 86400))
}

@test "what is renewed has its names, its owner and its mode" {
	cp -a "$certs" here
	chmod 640 here/server.key
	[ "$(id -u)" -ne 0 ] || chown 65533:65532 here/server.key
	stat -c '%U %G %a' here/server.key here/server.pem >before
	openssl x509 -in here/server.pem -noout -ext subjectAltName >names
	"$script" here --renew server --renew alice --days 800
	stat -c '%U %G %a' here/server.key here/server.pem >after
	cmp before after
	openssl x509 -in here/server.pem -noout -ext subjectAltName |
		cmp names
	for name in server alice; do
		not cmp -s "here/$name.pem" "$certs/$name.pem"
		not cmp -s "here/$name.key" "$certs/$name.key"
		openssl x509 -in "here/$name.pem" -noout -checkend \
			$((799 * 86400))
	done
	cmp here/ca.pem "$certs/ca.pem"
	certs=here verify sslserver server
	certs=here verify sslclient alice
	fails 'nobody.pem is not there' here --renew nobody
	fails 'cannot be called ca' here --renew ca
	fails 'nothing to renew' elsewhere --renew server
}

@test "the revoked are revoked, and stay so" {
	cp -a "$certs" here
	"$script" here --revoke alice
	run env certs=here bash -c "$(declare -f verify); verify sslclient alice"
	[ "$status" -ne 0 ]
	[[ "$output" = *"certificate revoked"* ]]
	certs=here verify sslclient bob@host
	"$script" here --revoke alice | grep -q 'revoked already'
	"$script" here --revoke bob@host
	certs=here not verify sslclient alice
	certs=here not verify sslclient bob@host
	# The same name, anew.
	rm here/alice.pem here/alice.key
	"$script" here --client alice
	certs=here verify sslclient alice
	[ "$(openssl crl -in here/crl.pem -noout -text |
		grep -c 'Serial Number')" -eq 2 ]
}

@test "without names the server is this host" {
	"$script" "a folder/deep"
	openssl x509 -in "a folder/deep/server.pem" -noout \
		-ext subjectAltName >names
	grep -q 'DNS:localhost' names
	grep -q 'IP Address:127.0.0.1' names
	grep -q 'IP Address:0:0:0:0:0:0:0:1' names
	grep -q "DNS:$(uname -n)" names
}

@test "nothing that is there is written over" {
	cp -a "$certs" here
	find here -type f -exec sha256sum {} + | sort >before
	fails 'alice.pem or alice.key is there' here --client alice
	fails 'is there' here --client new --client alice
	fails 'server.pem or server.key is there' here --server other
	find here -type f -exec sha256sum {} + | sort | cmp - before
	rm here/ca.key
	fails 'without ca.key' here --client new
	[ ! -e here/new.pem ]
	mkdir two
	cp here/alice.key two/ca.key
	fails 'without ca.pem' two
	rm here/ca.index
	cp "$certs/ca.key" here
	fails 'ca.index is not there' here --revoke alice
}

@test "what makes no sense is refused, in a line, before anything is made" {
	fails 'DIR is missing'
	fails 'not also' here there
	fails 'there is no --password' here --password x
	fails '--client wants a value' here --client
	fails 'number of days' here --days 0
	fails 'number of days' here --days -1
	fails 'cannot be called ca' here --client ca
	fails 'no name for a client' here --client ../alice
	fails 'no name for a client' here --client 'a/CN=b'
	fails 'no name for a client' here --client .hidden
	fails "no host's name" here --server 'a b'
	fails "no host's name" here --server 'a,critical;x'
	fails "'a," here --server 'a,'$'\n''b'
	[ ! -e here ]
	fails 'no CA' none --revoke alice
	"$script" here
	fails 'alice.pem is not there' here --revoke alice
	[ -z "$(find . -name '.make-certs*')" ]
}

@test "openssl's own settings do not matter" {
	printf 'openssl_conf = nonsense\n[nonsense]\nproviders = none\n' >cnf
	OPENSSL_CONF=$PWD/cnf "$script" here --client alice
	certs=here verify sslclient alice
}

@test "a user without a name gets certificates, and is named by number" {
	[ "$(id -u)" -eq 0 ] || skip 'needs root, to be somebody else'
	! id -u memd || skip 'the advice names user memd here'
	theirs=$(mktemp -d /var/tmp/mc.XXXXXX)
	chmod 777 "$theirs"
	cp "$script" "$theirs"
	run setpriv --reuid=65533 --regid=65533 --clear-groups \
		"$theirs/make-certs.sh" "$theirs/certs"
	rm -r "$theirs"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *'tls_users = *=65533'* ]]
}
