# What the sources take for granted of the machine that programs will run on, said before anything is compiled.
if(NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    math(EXPR bits "8 * ${CMAKE_SIZEOF_VOID_P}")
    message(FATAL_ERROR "Planish needs a 64-bit target: files are mapped whole and sizes are 64 bits wide, and this compiler makes ${bits}-bit programs.")
endif()
if(CMAKE_C_BYTE_ORDER STREQUAL "BIG_ENDIAN")
    message(FATAL_ERROR "Planish needs a little-endian target: plans and ONNX tensors are used in place as they lie in the file, and this compiler makes big-endian programs.")
endif()
