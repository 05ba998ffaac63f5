// What the C++ runtime calls to print the type of an exception that nobody caught, before it ends the process. Its own
// is a parser of all names that C++ has, with its tables a sixth of the binary; this one leaves the name as it is.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is that of the C++ ABI.
extern "C" char* __cxa_demangle(const char*, char*, unsigned long*, int* status) {
  if (status) *status = -1;
  return nullptr;
}
