# Run by `cmake --install`: puts the configuration where there is none yet, and
# says what is to be done next.  Needs memd_config_dir and memd_config_sample.
if(EXISTS "$ENV{DESTDIR}${memd_config_dir}/memd.conf")
	message(STATUS "Kept: $ENV{DESTDIR}${memd_config_dir}/memd.conf")
else()
	file(INSTALL DESTINATION "${memd_config_dir}" TYPE FILE
		FILES "${memd_config_sample}")
endif()
if("$ENV{DESTDIR}" STREQUAL "")
	message(STATUS "To have it run, as root: ldconfig; systemd-sysusers; "
		"systemd-tmpfiles --create memd.conf; udevadm control --reload; "
		"udevadm trigger --name-match=userfaultfd; "
		"systemctl daemon-reload; "
		"systemctl enable --now memd.socket memd")
	message(STATUS "To take it away again: systemctl disable --now "
		"memd memd.socket; cmake --build BUILDDIR --target uninstall")
endif()
