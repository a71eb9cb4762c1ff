# find_package(serialnumberd 1.0 REQUIRED)
# target_link_libraries(program PRIVATE serialnumberd::serialnumberd)    or serialnumberd::static
#
# Installed as LIBDIR/cmake/serialnumberd/; everything is found from there, so the tree may be moved.
get_filename_component(_serialnumberd_libdir "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
find_path(_serialnumberd_include serialnumberd/serialnumberd.h NO_CACHE NO_DEFAULT_PATH
  PATHS "${_serialnumberd_libdir}/../include" "${_serialnumberd_libdir}/../../include")

if(NOT _serialnumberd_include)
  set(serialnumberd_FOUND FALSE)
  set(serialnumberd_NOT_FOUND_MESSAGE "serialnumberd/serialnumberd.h is not installed beside ${_serialnumberd_libdir}")
  return()
endif()

if(NOT TARGET serialnumberd::serialnumberd AND EXISTS "${_serialnumberd_libdir}/libserialnumberd.so")
  add_library(serialnumberd::serialnumberd SHARED IMPORTED)
  set_target_properties(serialnumberd::serialnumberd PROPERTIES
    IMPORTED_LOCATION "${_serialnumberd_libdir}/libserialnumberd.so"
    IMPORTED_SONAME libserialnumberd.so.1
    INTERFACE_INCLUDE_DIRECTORIES "${_serialnumberd_include}")
endif()

if(NOT TARGET serialnumberd::static AND EXISTS "${_serialnumberd_libdir}/libserialnumberd.a")
  add_library(serialnumberd::static STATIC IMPORTED)
  set_target_properties(serialnumberd::static PROPERTIES
    IMPORTED_LOCATION "${_serialnumberd_libdir}/libserialnumberd.a"
    INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl"
    INTERFACE_INCLUDE_DIRECTORIES "${_serialnumberd_include}")
endif()
