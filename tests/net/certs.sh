# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For tests across hosts: certificates.  Sourced.
#
#   certs_make CLIENT HOST...   certs/ here, with ca.pem, server.pem for the
#                               HOSTs (names or addresses) and CLIENT.pem
#   certs_flags CLIENT          flags with which memd uses them, a line each;
#                               CLIENT has this user's limits
#   certs_query CLIENT          the part of a tcp:// address behind the ?
#
# Made once.  Where they cannot be, certs_make returns 1.

certs_make() {
	local client=$1 hosts

	shift
	hosts=$(IFS=, && echo "$*")
	[ ! -d certs ] || return 0
	"$BATS_TEST_DIRNAME/../../deploy/make-certs.sh" certs \
		--server "$hosts" --client "$client" >make-certs.log 2>&1 ||
		{ cat make-certs.log >&2; return 1; }
}

certs_flags() {
	printf -- '--tls-%s\n' "ca=$PWD/certs/ca.pem" \
		"certificate=$PWD/certs/server.pem" \
		"key=$PWD/certs/server.key" "users=$1=$(id -u)"
}

certs_query() {
	printf 'tls_ca=%s&tls_certificate=%s&tls_key=%s\n' "$PWD/certs/ca.pem" \
		"$PWD/certs/$1.pem" "$PWD/certs/$1.key"
}
