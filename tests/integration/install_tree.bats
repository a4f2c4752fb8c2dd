#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that `cmake --install` puts everything where it belongs, that an
# existing configuration survives it, that uninstalling leaves nothing else, that
# all this is so for any prefix, not only for the one that was configured, and
# that a program can be built against the installed tree with pkg-config
# and with CMake, from C and C++, and then runs.  Installs into a temporary
# folder only.
#
# Needs MEMD_BUILD_DIR, the build to test.

bats_require_minimum_version 1.5.0

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	export root=$BATS_FILE_TMPDIR/root
	install_into "$root"
}

install_into() {
	DESTDIR=$1 cmake --install "$MEMD_BUILD_DIR" >"$BATS_FILE_TMPDIR/log"
}

# A variable of the build's cache.
cached() {
	sed -n "s/^$1:[A-Z]*=//p" "$MEMD_BUILD_DIR/CMakeCache.txt"
}

setup() {
	repo=$BATS_TEST_DIRNAME/../..
	prefix=$(cached CMAKE_INSTALL_PREFIX)
	export PKG_CONFIG_SYSROOT_DIR=$root
	PKG_CONFIG_LIBDIR=$(dirname "$(find "$root" -name memclient.pc)")
	export PKG_CONFIG_LIBDIR
	library_dir=$(dirname "$(find "$root" -name libmemclient.so)")
	# What the build was instrumented with, its users must be too.
	flags=$(cached MEMD_SANITIZE)
	flags=${flags:+-fsanitize=$flags}
	[ "$(cached MEMD_COVERAGE)" != ON ] || flags="$flags --coverage"
	cd "$BATS_TEST_TMPDIR"
}

config_dir() {
	dirname "$(find "$root" -path '*/memd/memd.conf' ! -path '*/doc/*')"
}

@test "every file is where it belongs" {
	local file
	cd "$root$prefix"
	for file in sbin/memd bin/memctl include/memclient.h \
		lib/systemd/system/memd.service lib/systemd/system/memd.socket \
		lib/sysusers.d/memd.conf lib/tmpfiles.d/memd.conf \
		lib/udev/rules.d/60-memd.rules \
		share/bash-completion/completions/memctl \
		share/man/man8/memd.8 share/man/man5/memd.conf.5 \
		share/man/man1/memctl.1 share/man/man3/memclient.3 \
		share/man/man3/memclient_map.3 share/doc/memd/README.md \
		share/doc/memd/LICENSE share/doc/memd/memd.conf \
		share/doc/memd/docs/operations.md \
		share/doc/memd/examples/quickstart.c \
		libexec/memd/make-certs.sh libexec/memd/reload.sh; do
		[ -f "$file" ] || { echo "$file"; false; }
	done
	[ -x libexec/memd/make-certs.sh ]
	[ -x libexec/memd/reload.sh ]
	[ -f "$library_dir/libmemclient.a" ]
	[ -L "$library_dir/libmemclient.so.0" ]
	[ -f "$(config_dir)/memd.conf" ]
	# Nothing may be writable for others, or belong only to its owner.
	[ -z "$(find "$root" -type f \( -perm /022 -o ! -perm -044 \))" ]
}

@test "the service starts the installed memd with the installed file" {
	local unit=$root$prefix/lib/systemd/system/memd.service program config
	program=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$unit")
	config=$(sed -n 's/^ExecStart=.*--config=\([^ ]*\).*/\1/p' "$unit")
	[ -x "$root$program" ]
	[ -f "$root$config" ]
	"$root$program" --dump-config | cmp - "$root$config"
}

@test "an existing configuration is kept" {
	local again=$BATS_TEST_TMPDIR/again config
	config=$(config_dir)
	mkdir -p "$again${config#"$root"}"
	echo '# mine' >"$again${config#"$root"}/memd.conf"
	install_into "$again"
	[ "$(cat "$again${config#"$root"}/memd.conf")" = '# mine' ]
}

@test "uninstalling leaves the configuration and nothing else" {
	local again=$BATS_TEST_TMPDIR/again left
	install_into "$again"
	DESTDIR=$again cmake --build "$MEMD_BUILD_DIR" --target uninstall \
		>"$BATS_TEST_TMPDIR/log"
	left=$(find "$again" ! -type d)
	echo "$left"
	[[ "$left" = */memd/memd.conf ]]
	[ "$(wc -l <<<"$left")" -eq 1 ]
}

# install_below PREFIX: nothing is outside of it, or names the configured one.
install_below() {
	local below=$1 named

	cmake --install "$MEMD_BUILD_DIR" --prefix "$below" >log
	sed -nE 's/^-- (Installing|Up-to-date|Kept): //p' log >places
	[ -s places ]
	run ! grep -v "^$below/" places
	# But for the programs, which look where they are.
	named=$(grep -rIlF "$prefix/" "$below" | grep -v /share/doc/) || true
	[ -z "$named" ] || { echo "$named"; return 1; }
}

# works_below PREFIX: what is there finds what is there.
works_below() {
	local below=$1 unit=$1/lib/systemd/system/memd.service
	local PKG_CONFIG_LIBDIR library_dir

	grep -qx "ExecStart=$below/sbin/memd --config=$below/etc/memd/memd.conf" \
		"$unit"
	grep -qxF "ExecReload=$below/libexec/memd/reload.sh\
 $below/bin/memctl \$MAINPID" "$unit"
	[ -x "$below/sbin/memd" ]
	"$below/sbin/memd" --dump-config | cmp - "$below/etc/memd/memd.conf"
	"$below/sbin/memd" --help | tr -s ' \n' ' ' |
		grep -qF "(default: $below/etc/memd/memd.conf, if it is there)"
	"$below/sbin/memd" --check >check || true
	grep -qx "ok    settings: $below/etc/memd/memd.conf" check
	grep -q "$below/etc/memd/memd.conf" "$below/share/man/man8/memd.8"
	unset PKG_CONFIG_SYSROOT_DIR
	PKG_CONFIG_LIBDIR=$(dirname "$(find "$below" -name memclient.pc)")
	export PKG_CONFIG_LIBDIR
	[ "$(pkg-config --variable=prefix memclient)" = "$below" ]
	library_dir=$(pkg-config --variable=libdir memclient)
	cc $flags "$repo/examples/quickstart.c" -o quickstart \
		$(pkg-config --cflags --libs memclient)
	runs ./quickstart
}

@test "what is installed below another prefix works there" {
	local first=$BATS_TEST_TMPDIR/one second=$BATS_TEST_TMPDIR/two
	install_below "$first"
	grep 'systemctl enable --now '"$first/lib/systemd/system/memd.socket" log
	works_below "$first"
	# A second one does not change the first, and is the same.
	cp -a "$first" before
	install_below "$second"
	diff -r before "$first"
	works_below "$second"
	grep -rIlF "$second" "$second" | xargs sed -i "s|$second|$first|g"
	diff -r "$first" "$second"
	cmake --build "$MEMD_BUILD_DIR" --target uninstall
	[ "$(find "$second" ! -type d)" = "$second/etc/memd/memd.conf" ]
}

@test "below /usr the configuration is in /etc, with DESTDIR too" {
	local at=$BATS_TEST_TMPDIR/stage
	DESTDIR=$at cmake --install "$MEMD_BUILD_DIR" --prefix /usr
	[ -f "$at/etc/memd/memd.conf" ]
	[ ! -e "$at/usr/etc" ]
	grep -x 'ExecStart=/usr/sbin/memd --config=/etc/memd/memd.conf' \
		"$at/usr/lib/systemd/system/memd.service"
	grep -x 'prefix=/usr' $(find "$at" -name memclient.pc)
	cmp "$repo/deploy/man/memd.8" "$at/usr/share/man/man8/memd.8"
}

@test "a prefix that units cannot have is refused in words" {
	run ! cmake --install "$MEMD_BUILD_DIR" --prefix "$PWD/with blanks"
	# cmake breaks lines as it likes.
	[[ $(tr -s ' \n' ' ' <<<"$output") == \
		*"with blanks would be misread"* ]]
	[ ! -e "$PWD/with blanks" ]
}

@test "sysusers and tmpfiles are understood" {
	command -v systemd-sysusers >/dev/null || skip "no systemd-sysusers"
	local system=$BATS_TEST_TMPDIR/system
	[ "$(id -u)" -eq 0 ] || skip "systemd-sysusers --root needs root"
	mkdir -p "$system/etc" "$system/run" "$system/var/lib"
	systemd-sysusers --root="$system" \
		"$root$prefix/lib/sysusers.d/memd.conf"
	grep -q '^memd:.*:/var/lib/memd:' "$system/etc/passwd"
	grep -q '^memd:' "$system/etc/group"
	systemd-tmpfiles --root="$system" --create \
		"$root$prefix/lib/tmpfiles.d/memd.conf"
	[ "$(stat -c %a "$system/run/memd")" = 755 ]
	[ "$(stat -c %a "$system/var/lib/memd")" = 700 ]
}

@test "a program builds with pkg-config, shared and static, and runs" {
	[ "$(pkg-config --modversion memclient)" = \
		"$(cached CMAKE_PROJECT_VERSION)" ]
	cc $flags "$repo/examples/quickstart.c" -o shared \
		$(pkg-config --cflags --libs memclient)
	cc $flags "$repo/examples/quickstart.c" -o static \
		$(pkg-config --cflags memclient) \
		$(pkg-config --static --libs memclient |
			sed 's/-lmemclient/-l:libmemclient.a/')
	readelf -d shared | grep -q 'NEEDED.*libmemclient\.so\.0'
	[ "$(readelf -d static | grep -c libmemclient)" -eq 0 ]
	runs ./shared
	runs ./static
}

# Without a memd it takes the installed engine.
runs() {
	MEMCLIENT_ADDRESS=$BATS_TEST_TMPDIR/nobody LD_LIBRARY_PATH=$library_dir \
		run "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "every page came back" ]
}

@test "a program builds with the CMake package and runs" {
	cat >CMakeLists.txt <<-END
		cmake_minimum_required(VERSION 3.25)
		project(consumer LANGUAGES C)
		find_package(memclient 0.1 REQUIRED)
		add_executable(consumer $repo/examples/quickstart.c)
		target_link_libraries(consumer PRIVATE memclient::memclient)
	END
	cmake -S . -B build -DCMAKE_PREFIX_PATH="$root$prefix" \
		-DCMAKE_C_FLAGS="$flags"
	cmake --build build
	runs build/consumer
}

@test "memclient.h is good C99 and C++" {
	printf '#include <memclient.h>\nint main(void) { return 0; }\n' >h.c
	cp h.c h.cc
	cc -std=c99 -Wall -Wextra -pedantic -Werror -c h.c -o h.o \
		$(pkg-config --cflags memclient)
	c++ -std=c++11 -Wall -Wextra -pedantic -Werror -c h.cc -o hh.o \
		$(pkg-config --cflags memclient)
}
