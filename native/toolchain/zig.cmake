# The compiler of the published binaries (scripts/prebuild.mjs): Clang and the headers, C and C++ libraries of every
# target in one program.
#
#   CONVKIT_ZIG      the program
#   CONVKIT_TRIPLE   what it calls the target, such as x86_64-linux-gnu.2.28, x86_64-windows-gnu, aarch64-macos.11.0
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CONVKIT_ZIG CONVKIT_TRIPLE)
string(REGEX MATCH "^([^-]+)-([^-.]+)" unused "${CONVKIT_TRIPLE}")
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
if(CMAKE_MATCH_2 STREQUAL macos)
  set(CMAKE_SYSTEM_NAME Darwin)
elseif(CMAKE_MATCH_2 STREQUAL windows)
  set(CMAKE_SYSTEM_NAME Windows)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()

# A list: the second word and those after it are arguments of every call.
set(CMAKE_CXX_COMPILER ${CONVKIT_ZIG} c++ -target ${CONVKIT_TRIPLE})
# Zig's own defaults are those of a debug build.
set(CMAKE_CXX_FLAGS_INIT "-g0 -fno-sanitize=undefined")
# -Os: Zig builds the C++ library when it links, as the options of that moment say.
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-s -Os")
if(CMAKE_SYSTEM_NAME STREQUAL Linux)
  # One table of symbols for the loader: all of the last fifteen years know this one.
  string(APPEND CMAKE_SHARED_LINKER_FLAGS_INIT " -Wl,--hash-style=gnu")
endif()
set(CMAKE_RANLIB "")
# Without times and owners.
set(CMAKE_CXX_ARCHIVE_CREATE "${CONVKIT_ZIG} ar qcD <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "")
# Zig names every CPU feature to Clang as present or absent, so that one implies no other: 512-bit registers are one.
set(CONVKIT_AVX512_FLAGS -mevex512)
if(CONVKIT_TRIPLE MATCHES musl)
  # `zig c++` links programs for musl statically, whatever it is told; this way they can load an addon.
  set(CMAKE_CXX_LINK_EXECUTABLE
      "${CONVKIT_ZIG} build-exe -target ${CONVKIT_TRIPLE} -lc -lc++ -dynamic -rdynamic <OBJECTS> <LINK_LIBRARIES> -femit-bin=<TARGET>")
endif()
