# Sources of the Node addon, next to those of the core (native/core/sources.cmake).

# Threads and queues, which know nothing of Node: a native test has them without it.
set(CONVKIT_POOL_SOURCES
  ${CMAKE_CURRENT_LIST_DIR}/backlog.cpp
  ${CMAKE_CURRENT_LIST_DIR}/jobs.cpp
  ${CMAKE_CURRENT_LIST_DIR}/mutex.cpp
  ${CMAKE_CURRENT_LIST_DIR}/platform.cpp
  ${CMAKE_CURRENT_LIST_DIR}/pool.cpp
)

set(CONVKIT_ADDON_SOURCES
  ${CONVKIT_POOL_SOURCES}
  ${CMAKE_CURRENT_LIST_DIR}/addon.cpp
  ${CMAKE_CURRENT_LIST_DIR}/blocks.cpp
  ${CMAKE_CURRENT_LIST_DIR}/calls.cpp
  ${CMAKE_CURRENT_LIST_DIR}/cxx_runtime.cpp
  ${CMAKE_CURRENT_LIST_DIR}/environment.cpp
  ${CMAKE_CURRENT_LIST_DIR}/fma_peak.cpp
  ${CMAKE_CURRENT_LIST_DIR}/js_args.cpp
  ${CMAKE_CURRENT_LIST_DIR}/node_imports.cpp
  ${CMAKE_CURRENT_LIST_DIR}/node_runtime.cpp
  ${CMAKE_CURRENT_LIST_DIR}/plans.cpp
  ${CMAKE_CURRENT_LIST_DIR}/prepared.cpp
  ${CMAKE_CURRENT_LIST_DIR}/prepared_object.cpp
  ${CMAKE_CURRENT_LIST_DIR}/record.cpp
  ${CMAKE_CURRENT_LIST_DIR}/run_call.cpp
)
