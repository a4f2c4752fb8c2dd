#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Make what memd and its clients on other hosts need for TLS, to try it with:
# a CA of their own, a certificate for the host with memd, one for each client,
# and a list of the revoked ones.  Can be run again, to add clients, to renew
# certificates or to revoke some.  Needs nothing but openssl.
#
# Not a certificate authority for many: it has one key, in a file without a
# password.
set -euo pipefail

dir='' server='' port=7433
days=365 ca_days=3650
clients=() renewed=() revoked=()
work='' index=''

usage() {
	cat <<END
usage: make-certs.sh DIR [--server NAME[,NAME|IP...]] [--client NAME]...
                     [--renew NAME]... [--revoke NAME]... [--days N]
  DIR            where the files are, or go: ca.pem, ca.key, server.pem,
                 server.key, NAME.pem, NAME.key, crl.pem
  --server NAME  by what clients reach the host with memd, several with commas
                 (this host's name, localhost, 127.0.0.1, ::1)
  --client NAME  a client; memd knows it by this name (tls_users, tls_admins)
  --renew NAME   in place of NAME's certificate, or the server's (server), make
                 a new one for the same names, with a new key
  --revoke NAME  no longer believe in NAME's certificate
  --days N       how long new certificates are good ($days)
END
}

say() {
	printf '==> %s\n' "$*"
}

fail() {
	printf 'make-certs: %s\n' "$*" >&2
	exit 1
}

# Not known options, or not enough of them.
misused() {
	printf 'make-certs: %s\n' "$*" >&2
	usage >&2
	exit 2
}

cleanup() {
	[ -z "$work" ] || rm -rf -- "$work"
}

# Quiet, unless it fails.
quietly() {
	"$@" >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2
		  fail "openssl failed (above): $2 $3"; }
}

# ---- what is asked for

is_client_name() {
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$ ]]
}

is_address() {
	[[ $1 =~ ^[0-9.]+$ || $1 =~ ^[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*$ ]]
}

is_host_name() {
	[[ $1 =~ ^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$ ]]
}

check_client() {
	is_client_name "$1" ||
		fail "'$1' is no name for a client: letters, digits and ._@-"
	case $1 in
	ca | server | crl) fail "a client cannot be called $1" ;;
	esac
}

# "a,10.0.0.1" as openssl wants it: "DNS:a,IP:10.0.0.1".
alternative_names() {
	local name names result=''

	# read sees the first line only.
	[[ $1 != *[[:space:]]* ]] || fail "'$1' is no host's name or address"
	IFS=, read -ra names <<<"$1"
	for name in "${names[@]}"; do
		if is_address "$name"; then
			result+=,IP:$name
		elif is_host_name "$name"; then
			result+=,DNS:$name
		else
			fail "'$name' is no host's name or address"
		fi
	done
	[ -n "$result" ] || fail "--server wants a name"
	printf '%s\n' "${result#,}"
}

check_arguments() {
	local name

	[ -n "$dir" ] || misused "DIR is missing"
	[[ $days =~ ^[1-9][0-9]{0,4}$ ]] ||
		fail "--days takes a number of days, not '$days'"
	[ "$ca_days" -ge "$days" ] || ca_days=$days
	[ -z "$server" ] || alternative_names "$server" >/dev/null
	for name in "${clients[@]}"; do
		check_client "$name"
	done
	for name in "${renewed[@]}"; do
		[ "$name" = server ] || check_client "$name"
	done
	for name in "${revoked[@]}"; do
		if ! is_client_name "$name" || [ "$name" = ca ]; then
			fail "'$name' is no certificate's name"
		fi
	done
}

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		-h | --help) usage; exit 0 ;;
		--server | --client | --renew | --revoke | --days)
			[ -n "${2-}" ] || misused "$1 wants a value" ;;&
		--server) server=$2; shift ;;
		--client) clients+=("$2"); shift ;;
		--renew) renewed+=("$2"); shift ;;
		--revoke) revoked+=("$2"); shift ;;
		--days) days=$2; shift ;;
		-*) misused "there is no $1" ;;
		*)
			[ -z "$dir" ] || misused "one DIR, not also '$1'"
			dir=$1 ;;
		esac
		shift
	done
	check_arguments
}

# ---- making

# Everything is made in here and then moved: a file that is there is whole.
enter_folder() {
	umask 077
	if [ ! -d "$dir" ]; then
		mkdir -p -- "$dir" || fail "cannot make the folder $dir"
		chmod 755 -- "$dir"
	fi
	dir=$(cd -- "$dir" && pwd) || fail "cannot enter $dir"
	cd -- "$dir"
	work=$(mktemp -d -- "$dir/.make-certs.XXXXXX") ||
		fail "cannot write in $dir"
	index=ca.index
	# openssl's own settings are for other things.
	cat >"$work/config" <<END
[ req ]
distinguished_name = name
[ name ]
[ ca ]
default_ca = here
[ here ]
database = index
default_md = sha256
crl_extensions = crl
[ crl ]
authorityKeyIdentifier = keyid
END
	export OPENSSL_CONF=$work/config
}

# publish NAME MODE FILE: in one step.  One that is there keeps its mode and its
# owner, who may be memd's user.
publish() {
	chmod "$2" "$work/$1"
	if [ -e "$3" ]; then
		chmod --reference="$3" "$work/$1"
		chown --reference="$3" "$work/$1" ||
			fail "cannot make $3 anew for its owner: run as root"
	fi
	mv -f -- "$work/$1" "$3"
}

# A number nobody has had, positive.
serial() {
	printf '0x1%s\n' "$(openssl rand -hex 15)"
}

make_key() {
	quietly openssl genpkey -algorithm EC \
		-pkeyopt ec_paramgen_curve:P-256 -out "$work/key"
}

make_ca() {
	if [ -e ca.pem ] && [ -e ca.key ]; then
		return
	fi
	[ ! -e ca.pem ] ||
		fail "$dir/ca.pem is there without ca.key: only who has the" \
			"key can make more certificates; take another folder"
	[ ! -e ca.key ] || fail "$dir/ca.key is there without ca.pem"
	make_key
	quietly openssl req -new -x509 -key "$work/key" -sha256 \
		-days "$ca_days" -set_serial "$(serial)" \
		-subj "/CN=memd CA of $(uname -n | cut -c 1-40)" \
		-addext 'basicConstraints = critical,CA:TRUE,pathlen:0' \
		-addext 'keyUsage = critical,keyCertSign,cRLSign' \
		-addext 'subjectKeyIdentifier = hash' -out "$work/pem"
	publish key 600 ca.key
	publish pem 644 ca.pem
	say "made the CA: ca.pem, ca.key"
}

# make_certificate FILE NAME EXTENSION...
make_certificate() {
	local file=$1 name=$2

	shift 2
	make_key
	quietly openssl req -new -key "$work/key" -subj "/CN=$name" \
		-out "$work/request"
	printf '%s\n' 'basicConstraints = critical,CA:FALSE' \
		'keyUsage = critical,digitalSignature' \
		'subjectKeyIdentifier = hash' \
		'authorityKeyIdentifier = keyid' "$@" >"$work/extensions"
	quietly openssl x509 -req -in "$work/request" -CA ca.pem \
		-CAkey ca.key -sha256 -days "$days" -set_serial "$(serial)" \
		-extfile "$work/extensions" -out "$work/pem"
	publish key 600 "$file.key"
	publish pem 644 "$file.pem"
	say "made $file.pem, $file.key: good for $days days"
}

refuse_existing() {
	if [ -e "$1.pem" ] || [ -e "$1.key" ]; then
		fail "$dir/$1.pem or $1.key is there; --renew $1 makes a new one;" \
			"for other names, remove both first (and --revoke $1" \
			"before, if it got lost)"
	fi
}

# A memd may be a client of another one, too.
make_server() {
	local names

	if [ -z "$server" ] && [ -e server.pem ]; then
		return
	fi
	refuse_existing server
	if [ -z "$server" ]; then
		server=localhost,127.0.0.1,::1
		[ "$(uname -n)" = localhost ] || server=$(uname -n),$server
	fi
	names=$(alternative_names "$server")
	make_certificate server memd "subjectAltName = $names" \
		'extendedKeyUsage = serverAuth,clientAuth'
}

make_client() {
	refuse_existing "$1"
	make_certificate "$1" "$1" 'extendedKeyUsage = clientAuth'
}

# "DNS:a,IP:10.0.0.1", of server.pem.
server_names() {
	openssl x509 -in server.pem -noout -ext subjectAltName |
		sed -n 's/ //g; s/IPAddress:/IP:/g; /^\(DNS\|IP\):/p'
}

renew() {
	local names

	if [ "$1" != server ]; then
		make_certificate "$1" "$1" 'extendedKeyUsage = clientAuth'
		return
	fi
	names=$(server_names)
	[ -n "$names" ] || fail "$dir/server.pem has no names of hosts"
	make_certificate server memd "subjectAltName = $names" \
		'extendedKeyUsage = serverAuth,clientAuth'
}

# ---- revoking

# openssl's list of revoked certificates, with its side files, in $work.
ca_command() {
	(cd "$work" && openssl ca -config config -cert ../ca.pem \
		-keyfile ../ca.key "$@")
}

is_revoked() {
	local number

	number=$(openssl x509 -in "$1.pem" -noout -serial)
	awk -F '\t' -v number="${number#serial=}" \
		'$4 == number { found = 1 } END { exit !found }' "$work/index"
}

revoke() {
	[ -e "$1.pem" ] || fail "$dir/$1.pem is not there"
	if is_revoked "$1"; then
		say "$1.pem is revoked already"
		return
	fi
	quietly ca_command -revoke "../$1.pem"
	say "revoked $1.pem"
}

# The index first: a list without it could forget somebody the next time.
renew_list() {
	local name

	[ "${#revoked[@]}" -gt 0 ] || [ ! -e crl.pem ] || return 0
	if [ -e "$index" ]; then
		cp -- "$index" "$work/index"
	elif [ ! -e crl.pem ]; then
		: >"$work/index"
	else
		fail "$dir/$index is not there: who was revoked is not known"
	fi
	for name in "${revoked[@]}"; do
		revoke "$name"
	done
	quietly ca_command -gencrl -crldays "$ca_days" -out pem
	publish index 600 "$index"
	publish pem 644 crl.pem
	say "made crl.pem, the list of revoked certificates"
}

# ---- what to do with them

first_host() {
	openssl x509 -in server.pem -noout -ext subjectAltName |
		sed -n 's/^ *\(DNS\|IP Address\):\([^,]*\).*/\2/p' | head -n 1
}

advise() {
	local host name=${clients[0]-NAME} user=memd

	host=$(first_host)
	[[ $host != *:* ]] || host="[$host]"
	# Who runs this may have no name here, as in a container.
	id -u "$user" >/dev/null 2>&1 ||
		user=$(id -un 2>/dev/null) || user=$(id -u)
	cat <<END

memd on $host, in memd.conf; $user must be able to read the key:

    listen_tcp = :$port
    tls_ca = $dir/ca.pem
    tls_certificate = $dir/server.pem
    tls_key = $dir/server.key
    tls_crl = $dir/crl.pem
    tls_users = *=$user

A client's host needs ca.pem, $name.pem and $name.key, and nothing else.
A program there takes its memory from (in one line)

    tcp://$host:$port?tls_ca=$dir/ca.pem&tls_certificate=$dir/$name.pem&tls_key=$dir/$name.key

Keep ca.key and $index to yourself: who has the key can be any client.
END
	[ "${#revoked[@]}" -eq 0 ] ||
		echo "Give memd the new crl.pem: systemctl reload memd."
	[ "${#renewed[@]}" -eq 0 ] ||
		echo "Where the new files are used: systemctl reload memd."
}

main() {
	local name

	parse_arguments "$@"
	command -v openssl >/dev/null ||
		fail "openssl is not installed: apt-get install openssl"
	trap cleanup EXIT
	enter_folder
	[ "${#revoked[@]}" -eq 0 ] || [ -e ca.key ] ||
		fail "$dir has no CA: nothing to revoke"
	[ "${#renewed[@]}" -eq 0 ] || [ -e ca.key ] ||
		fail "$dir has no CA: nothing to renew"
	# All names before the first file.
	for name in "${clients[@]}"; do
		refuse_existing "$name"
	done
	for name in "${renewed[@]}"; do
		[ -e "$name.pem" ] || fail "$dir/$name.pem is not there"
	done
	make_ca
	make_server
	for name in "${renewed[@]}"; do
		renew "$name"
	done
	for name in "${clients[@]}"; do
		make_client "$name"
	done
	renew_list
	advise
}

main "$@"
