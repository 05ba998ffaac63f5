// Parts of the C++ runtime that the binary does without: they are for messages that nobody reads here.
#include <exception>

// What prints the type of an exception that nobody caught, before the process ends. The runtime's own is a parser of
// all names that C++ has, with its tables a sixth of the binary; this one leaves the name as it is.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is that of the C++ ABI.
extern "C" char* __cxa_demangle(const char*, char*, unsigned long*, int* status) {
  if (status) *status = -1;
  return nullptr;
}

#if defined(_LIBCPP_VERSION)
// What a clock does that the system does not have, or a lock that is used wrongly: such a process cannot go on.
// libc++'s own throws a std::system_error, which needs the texts of all errors, and so all of std::string. (Nothing is
// gained, and nothing lost, where libc++ is the system's.)
_LIBCPP_BEGIN_NAMESPACE_STD
// NOLINTNEXTLINE(bugprone-reserved-identifier): libc++'s own name.
[[noreturn]] void __throw_system_error(int, const char*) { std::terminate(); }
_LIBCPP_END_NAMESPACE_STD
#endif
