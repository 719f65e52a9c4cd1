# Files that need their own machine flags. Such code is reached only through the kernel table, after a check of the CPU.

# ON where x86-64 kernels are built; sources see PLN_ISA_X86=1 then, and rows of such kernels stand under #if PLN_ISA_X86.
set(PLANISH_ISA_X86 OFF)
if(NOT PLANISH_PORTABLE AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(PLANISH_ISA_X86 ON)
endif()
target_compile_definitions(planish_codegen INTERFACE PLN_ISA_X86=$<BOOL:${PLANISH_ISA_X86}>)

set(PLANISH_ISA_avx2 -mavx2 -mfma -mf16c)
set(PLANISH_ISA_avx512 ${PLANISH_ISA_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
set(PLANISH_ISA_avx512vnni ${PLANISH_ISA_avx512} -mavx512vnni)
set(PLANISH_ISA_avx512bf16 ${PLANISH_ISA_avx512} -mavx512bf16)
set(PLANISH_ISA_avx512fp16 ${PLANISH_ISA_avx512} -mavx512fp16)
set(PLANISH_ISA_avxvnni ${PLANISH_ISA_avx2} -mavxvnni)
set(PLANISH_ISA_amx ${PLANISH_ISA_avx512} -mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16)

# Kernels are optimized harder. No flag here changes a value: errno and trap handlers are not used.
set(PLANISH_KERNEL_OPTIONS $<$<NOT:$<CONFIG:Debug>>:-O3> -fno-math-errno -fno-trapping-math)

# planish_kernel_source(TARGET FILE…): adds portable kernel files (paths relative to the caller's folder).
function(planish_kernel_source target)
    foreach(file IN LISTS ARGN)
        get_filename_component(path ${file} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_LIST_DIR})
        target_sources(${target} PRIVATE ${path})
        set_property(SOURCE ${path} TARGET_DIRECTORY ${target} APPEND PROPERTY COMPILE_OPTIONS ${PLANISH_KERNEL_OPTIONS})
    endforeach()
endfunction()

# planish_isa_source(TARGET FILE ISA): adds one file with the flags of an ISA from the list above. Adds nothing in a
# portable build or on another processor.
function(planish_isa_source target file isa)
    if(NOT DEFINED PLANISH_ISA_${isa})
        message(FATAL_ERROR "planish_isa_source: ${file}: no ISA named '${isa}' in cmake/isa.cmake")
    endif()
    if(NOT PLANISH_ISA_X86)
        return()
    endif()
    planish_kernel_source(${target} ${file})
    get_filename_component(path ${file} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_LIST_DIR})
    set_property(SOURCE ${path} TARGET_DIRECTORY ${target} APPEND PROPERTY COMPILE_OPTIONS ${PLANISH_ISA_${isa}})
endfunction()
