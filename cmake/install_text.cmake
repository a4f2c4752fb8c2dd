# Run by `cmake --install`, before anything is installed: texts that name places
# of the installation are made then, when its prefix is known, which need not be
# the one that was configured.  Needs memd_version, and the folders of
# GNUInstallDirs as they were configured.
#
# A configured folder may be absolute; then it stays where it is.
set(CMAKE_SYSTEM_NAME Linux)		# for GNUInstallDirs
include(GNUInstallDirs)
get_filename_component(CMAKE_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
set(memd_prefix "${CMAKE_INSTALL_PREFIX}")
if(memd_prefix MATCHES "[ \t\"'$%;#\\\\]")
	message(FATAL_ERROR "The prefix ${memd_prefix} would be misread in "
		"systemd's units and by pkg-config; take one without blanks, "
		"quotes and any of $ % ; # \\: cmake --install BUILDDIR "
		"--prefix PREFIX")
endif()
foreach(folder BIN SBIN LIBEXEC SYSCONF LIB INCLUDE)
	# /usr has /etc, and /opt/memd has /etc/opt/memd.
	GNUInstallDirs_get_absolute_install_dir(memd_${folder}DIR
		CMAKE_INSTALL_${folder}DIR ${folder}DIR)
endforeach()
set(memd_config_dir "${memd_SYSCONFDIR}/memd")

# memd_install_text(FILE DESTINATION NAME): with the places in it, which are
# written as those below /usr, made those of this installation.
function(memd_install_text file destination name)
	get_filename_component(path "${destination}/${name}" ABSOLUTE
		BASE_DIR "${memd_prefix}")
	file(READ "${file}" text)
	string(REPLACE "/usr/sbin/memd" "${memd_SBINDIR}/memd" text "${text}")
	string(REPLACE "/usr/bin/memctl" "${memd_BINDIR}/memctl" text "${text}")
	string(REPLACE "/usr/libexec/memd" "${memd_LIBEXECDIR}/memd" text
		"${text}")
	string(REPLACE "/etc/memd" "${memd_config_dir}" text "${text}")
	string(CONFIGURE "${text}" text @ONLY)
	file(WRITE "$ENV{DESTDIR}${path}" "${text}")
	file(CHMOD "$ENV{DESTDIR}${path}" PERMISSIONS OWNER_READ OWNER_WRITE
		GROUP_READ WORLD_READ)
	message(STATUS "Installing: $ENV{DESTDIR}${path}")
	list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${path}")
	set(CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_MANIFEST_FILES}"
		PARENT_SCOPE)
endfunction()
