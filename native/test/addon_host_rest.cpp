/* All other functions of Node-API, for addon_host.cpp: the addon names some that the host's calls do not reach. Weak,
 * so that those defined there stand; here, away from node_api.h, they need no types. */
#include <cstdio>
#include <cstdlib>

#define CONVKIT_IMPORT(name)                                             \
  extern "C" __attribute__((weak)) void name() {                         \
    std::fprintf(stderr, "addon_host: %s is not offered here\n", #name); \
    std::abort();                                                        \
  }
#include "node_imports.inc"
