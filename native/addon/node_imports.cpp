// Node-API on Windows, without an import library. Such a library would name node.exe, and then the addon loads into
// nothing that is called otherwise: Electron, a single executable application, a renamed Node. So nothing is imported:
//
//     call of napi_x  ->  jmp [__imp_napi_x]        what the compiler makes of __declspec(dllimport), and a linker
//     fills
//                              |
//     here:  void* __imp_napi_x, filled while the library loads with what the process itself exports as napi_x
//
// The names (node_imports.inc) are those of node-api-headers' node_api.def; CMake writes them at configuration.
#ifdef _WIN32
#include <windows.h>

#define CONVKIT_IMPORT(name) extern "C" void* __imp_##name = nullptr;
#include "node_imports.inc"
#undef CONVKIT_IMPORT

namespace {

struct Import {
  void** place;
  const char* name;
};

#define CONVKIT_IMPORT(name) {&__imp_##name, #name},
const Import imports[] = {
#include "node_imports.inc"
};
#undef CONVKIT_IMPORT

// Node built as a library, else the program.
const bool filled = [] {
  HMODULE host = GetModuleHandleW(L"libnode.dll");
  if (host == nullptr) host = GetModuleHandleW(nullptr);
  for (const Import& import : imports) {
    *import.place = reinterpret_cast<void*>(GetProcAddress(host, import.name));  // null: newer than this Node
  }
  return true;
}();

}  // namespace
#endif
