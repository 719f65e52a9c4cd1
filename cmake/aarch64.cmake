# A toolchain file: AArch64 by Debian's cross compiler (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross), programs run by qemu-user. Libraries of tests (cmocka) are
# looked for in .cache/aarch64, which scripts/aarch64_root fills; PLANISH_AARCH64_ROOT in the environment is another folder.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(PLANISH_AARCH64_LIBC /usr/aarch64-linux-gnu)
set(PLANISH_AARCH64_ROOT $ENV{PLANISH_AARCH64_ROOT})
if(NOT PLANISH_AARCH64_ROOT)
    get_filename_component(PLANISH_AARCH64_ROOT ${CMAKE_CURRENT_LIST_DIR}/../.cache/aarch64 ABSOLUTE)
endif()
set(CMAKE_FIND_ROOT_PATH ${PLANISH_AARCH64_LIBC} ${PLANISH_AARCH64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Not named where it is missing: the build then leaves out what it would run.
find_program(PLANISH_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
mark_as_advanced(PLANISH_QEMU_AARCH64)
if(PLANISH_QEMU_AARCH64)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${PLANISH_QEMU_AARCH64} -L ${PLANISH_AARCH64_LIBC})
endif()
