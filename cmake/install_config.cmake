# Run by `cmake --install`, after install_text.cmake: puts the configuration where
# there is none yet, and says what is to be done next.  It is not among the files
# that uninstalling removes.
set(config "$ENV{DESTDIR}${memd_config_dir}/memd.conf")
if(EXISTS "${config}")
	message(STATUS "Kept: ${config}")
else()
	configure_file("${memd_config_sample}" "${config}" COPYONLY)
	file(CHMOD "${config}" PERMISSIONS OWNER_READ OWNER_WRITE
		GROUP_READ WORLD_READ)
	message(STATUS "Installing: ${config}")
endif()

# What systemd and udev do not find by themselves is named with its folder.
function(find_folder ret_folder dir)
	get_filename_component(folder "${dir}" ABSOLUTE
		BASE_DIR "${memd_prefix}")
	if(folder MATCHES "^(/usr|/usr/local|/etc|/run)?/(lib/)?(systemd|sysusers|tmpfiles|udev)")
		set(folder "")
	else()
		string(APPEND folder "/")
	endif()
	set(${ret_folder} "${folder}" PARENT_SCOPE)
endfunction()
find_folder(units "${memd_unit_dir}")
find_folder(users "${memd_sysusers_dir}")
find_folder(files "${memd_tmpfiles_dir}")
find_folder(rules "${memd_udev_rules_dir}")
if(rules)
	set(rules "ln -s ${rules}60-memd.rules /etc/udev/rules.d; ")
endif()
if("$ENV{DESTDIR}" STREQUAL "")
	message(STATUS "To have it run, as root: ldconfig; "
		"systemd-sysusers ${users}memd.conf; "
		"systemd-tmpfiles --create ${files}memd.conf; "
		"${rules}udevadm control --reload; "
		"udevadm trigger --name-match=userfaultfd; "
		"systemctl daemon-reload; systemctl enable --now "
		"${units}memd.socket ${units}memd.service")
	message(STATUS "To take it away again: systemctl disable --now "
		"memd memd.socket; cmake --build BUILDDIR --target uninstall")
endif()
