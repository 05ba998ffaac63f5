# Debian's clang for WebAssembly with SIMD (packages clang, lld, wasi-libc and libc++-dev-wasm32).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
set(CMAKE_CXX_FLAGS_INIT -msimd128)
# A program would want the runtime library before the project knows that it needs one.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
