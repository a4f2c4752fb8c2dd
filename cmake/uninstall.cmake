# cmake -D MANIFEST=FILE -P uninstall.cmake: remove the files that the last
# `cmake --install` from this build folder put there.  The configuration is not
# among them; it stays, and so do folders.
if(NOT EXISTS "${MANIFEST}")
	message(FATAL_ERROR "${MANIFEST}: not there; nothing was installed "
		"from this build folder")
endif()
file(STRINGS "${MANIFEST}" files)
foreach(file ${files})
	set(file "$ENV{DESTDIR}${file}")
	if(EXISTS "${file}" OR IS_SYMLINK "${file}")
		file(REMOVE "${file}")
		message(STATUS "Removed: ${file}")
	endif()
endforeach()
message(STATUS "The configuration, user memd and /var/lib/memd stay: "
	"userdel memd; rm -r /var/lib/memd")
