# Headers, libraries, pkg-config files, CMake package, documents; the command installs itself (tools). Everything is relocatable:
# `cmake --install build --prefix P`.
include(CMakePackageConfigHelpers)

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/planish DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN README.md EXCLUDE)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.c" PATTERN data EXCLUDE)

get_property(PLANISH_INSTALLED GLOBAL PROPERTY PLANISH_INSTALLED)
if(NOT PLANISH_INSTALLED)
    return()
endif()
install(TARGETS ${PLANISH_INSTALLED} EXPORT planish_targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

set(PLANISH_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/planish)
install(EXPORT planish_targets NAMESPACE planish:: DESTINATION ${PLANISH_PACKAGE_DIR} FILE planish-targets.cmake)
configure_package_config_file(cmake/planish-config.cmake.in ${CMAKE_BINARY_DIR}/planish-config.cmake
    INSTALL_DESTINATION ${PLANISH_PACKAGE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/planish-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/planish-config.cmake ${CMAKE_BINARY_DIR}/planish-config-version.cmake
    DESTINATION ${PLANISH_PACKAGE_DIR})

# planish.pc needs planish_rt.pc; prefix is found from the place of the file.
file(RELATIVE_PATH PLANISH_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name IN ITEMS planish_rt planish planish_text)
    if(TARGET ${name}_shared)
        set(PLANISH_PC_NAME ${name})
        set(PLANISH_PC_REQUIRES "")
        if(NOT name STREQUAL planish_rt)
            set(PLANISH_PC_REQUIRES planish_rt)
        endif()
        configure_file(cmake/planish.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
        install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endif()
endforeach()
