# The exported symbols are written once, in the public headers: every function marked PLN_API. From them comes the
# version script of the shared libraries.
#
#   PLANISH_0        the public functions: what a program may use
#   PLANISH_PRIVATE  what libplanish.so takes from libplanish_rt.so (the arena, tensors, the kernel table), since no
#                    object is in two libraries; in no header that is installed, and free to change with every version

file(GLOB PLANISH_PUBLIC_HEADERS CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/include/planish/*.h ${CMAKE_SOURCE_DIR}/include/planish/experimental/*.h)
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PLANISH_PUBLIC_HEADERS})

set(PLANISH_PUBLIC_FUNCTIONS "")
foreach(header IN LISTS PLANISH_PUBLIC_HEADERS)
    file(READ ${header} text)
    string(REGEX MATCHALL "PLN_API[ \n][^;(]*[ *\n]pln_[a-z0-9_]+\\(" declarations "${text}")
    foreach(declaration IN LISTS declarations)
        string(REGEX MATCH "pln_[a-z0-9_]+\\($" name "${declaration}")
        string(REPLACE "(" "" name "${name}")
        list(APPEND PLANISH_PUBLIC_FUNCTIONS ${name})
    endforeach()
endforeach()
list(SORT PLANISH_PUBLIC_FUNCTIONS)
list(REMOVE_DUPLICATES PLANISH_PUBLIC_FUNCTIONS)

set(names "")
foreach(name IN LISTS PLANISH_PUBLIC_FUNCTIONS)
    string(APPEND names "        ${name};\n")
endforeach()
set(PLANISH_VERSION_SCRIPT ${CMAKE_BINARY_DIR}/planish.map)
file(CONFIGURE OUTPUT ${PLANISH_VERSION_SCRIPT} @ONLY CONTENT
"PLANISH_0 {
    global:
@names@};
PLANISH_PRIVATE {
    global:
        pln_*;
    local:
        *;
};
")
list(JOIN PLANISH_PUBLIC_FUNCTIONS "\n" names)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/public_functions.txt @ONLY CONTENT "@names@\n")
