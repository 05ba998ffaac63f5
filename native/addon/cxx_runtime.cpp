// Parts of the C++ runtime that the binary does without. They are for messages that nobody reads here, and take the
// place of code and tables that were a sixth of the binary.
#include <exception>

// What prints the type of an exception that nobody caught, before the process ends. The runtime's own is a parser of
// all names that C++ has; this one leaves the name as it is.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is that of the C++ ABI.
extern "C" char* __cxa_demangle(const char*, char*, unsigned long*, int* status) {
  if (status) *status = -1;
  return nullptr;
}

#if defined(_LIBCPP_VERSION)
// What a clock does that the system does not have, or a lock that is used wrongly: such a process cannot go on.
// libc++'s own throws a std::system_error, which needs the texts of all errors, and so all of std::string.
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __throw_system_error(int, const char*) { std::terminate(); }
_LIBCPP_END_NAMESPACE_STD
#endif
