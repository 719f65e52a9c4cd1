# Writes OUT: a C header with the text of IN as the array NAME. Run with cmake -DIN=… -DOUT=… -DNAME=… -P embed.cmake.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
string(REGEX REPLACE "(('[^']*',){24})" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "static const char ${NAME}[] = {\n${bytes}0 };\n")
