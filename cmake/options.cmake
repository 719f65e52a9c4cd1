# Language, warnings, sanitizers, output folders: what holds for every target of ours.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

# -O2 unless the user chose; kernels ask for -O3 by themselves (isa.cmake).
if(CMAKE_C_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
    set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()

find_program(PLANISH_CCACHE ccache)
if(PLANISH_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${PLANISH_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${PLANISH_CCACHE})
endif()

set(THREADS_PREFER_PTHREAD_FLAG OFF)
find_package(Threads REQUIRED)

# Warnings, for every target of ours.
add_library(planish_warnings INTERFACE)
target_compile_options(planish_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Werror=switch
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<BOOL:${PLANISH_WERROR}>:-Werror>)

# Code generation. Contraction is off so that results do not depend on the compiler's mood: a file that wants FMA says
# so itself. The prefix map keeps the builder's folders out of the binaries.
add_library(planish_codegen INTERFACE)
target_compile_options(planish_codegen INTERFACE -ffp-contract=off -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
# The hash by which the cache tells one build from another (src/build/plan_cache.c); most compilers ask for it anyway.
target_link_options(planish_codegen INTERFACE -Wl,--build-id)
if(PLANISH_SANITIZE)
    target_compile_options(planish_codegen INTERFACE
        -fsanitize=${PLANISH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
    target_link_options(planish_codegen INTERFACE -fsanitize=${PLANISH_SANITIZE})
endif()
