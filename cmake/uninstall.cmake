# cmake -D MANIFEST=FILE -D KEEP=FOLDER -P uninstall.cmake: remove the files
# that the last `cmake --install` from this build folder put there.  Those
# below KEEP (the configuration) stay; so do folders.
if(NOT EXISTS "${MANIFEST}")
	message(FATAL_ERROR "${MANIFEST}: not there; nothing was installed "
		"from this build folder")
endif()
file(STRINGS "${MANIFEST}" files)
foreach(file ${files})
	string(FIND "${file}" "${KEEP}" at)
	set(file "$ENV{DESTDIR}${file}")
	if(at EQUAL 0)
		message(STATUS "Kept: ${file}")
	elseif(EXISTS "${file}" OR IS_SYMLINK "${file}")
		file(REMOVE "${file}")
		message(STATUS "Removed: ${file}")
	endif()
endforeach()
message(STATUS "User memd and /var/lib/memd stay: userdel memd; "
	"rm -r /var/lib/memd")
