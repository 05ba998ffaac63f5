/* Arrays whose neighbours may not be touched: on POSIX systems a page without access lies right behind (or
 * right before) the elements, so one step too far ends the test. Under AddressSanitizer the heap does that better. */
#ifndef CONVKIT_TEST_BUFFER_H
#define CONVKIT_TEST_BUFFER_H

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define CONVKIT_TEST_GUARDS 0
#elif defined(__unix__) || defined(__APPLE__)
#define CONVKIT_TEST_GUARDS 1
#include <sys/mman.h>
#include <unistd.h>
#else
#define CONVKIT_TEST_GUARDS 0
#endif

namespace test {

enum class Guard { behind, before };

#if CONVKIT_TEST_GUARDS
/* Pages between two that may not be touched. Small ones are used again: tests spent most of their time in mmap. */
class GuardedPages {
 public:
  static char *take(size_t pages) {
    {
      const std::lock_guard<std::mutex> lock(mutex());
      std::vector<char *> &some = unused()[pages];
      if (!some.empty()) {
        char *const base = some.back();
        some.pop_back();
        return base;
      }
    }
    char *const base =
        static_cast<char *>(mmap(nullptr, (pages + 2) * size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED) throw std::bad_alloc();
    if (pages > 0 && mprotect(base + size(), pages * size(), PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    return base;
  }
  static void give(char *base, size_t pages) {
    {
      const std::lock_guard<std::mutex> lock(mutex());
      std::vector<char *> &some = unused()[pages];
      if (pages <= 64 && some.size() < 64) return some.push_back(base);
    }
    munmap(base, (pages + 2) * size());
  }
  static size_t size() {
    static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
  }

 private:
  static std::mutex &mutex() {
    static std::mutex one;
    return one;
  }
  static std::map<size_t, std::vector<char *>> &unused() {
    static std::map<size_t, std::vector<char *>> by_pages;
    return by_pages;
  }
};
#endif

/* Bytes with a guard; `before` begins on a page, `behind` ends on one. */
class GuardedBytes {
 public:
  GuardedBytes(size_t bytes, Guard guard) {
#if CONVKIT_TEST_GUARDS
    const size_t page = GuardedPages::size();
    pages_ = (bytes + page - 1) / page;
    base_ = GuardedPages::take(pages_);
    data_ = base_ + page + (guard == Guard::behind ? pages_ * page - bytes : 0);
#else
    (void)guard;
    data_ = base_ = static_cast<char *>(std::malloc(bytes > 0 ? bytes : 1));
#endif
  }
  ~GuardedBytes() {
#if CONVKIT_TEST_GUARDS
    GuardedPages::give(base_, pages_);
#else
    std::free(base_);
#endif
  }
  GuardedBytes(const GuardedBytes &) = delete;
  GuardedBytes &operator=(const GuardedBytes &) = delete;
  char *data() const { return data_; }

 private:
  char *base_ = nullptr, *data_ = nullptr;
#if CONVKIT_TEST_GUARDS
  size_t pages_ = 0;
#endif
};

template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t count, Guard guard = Guard::behind)
      : size_(static_cast<size_t>(count)), bytes_(size_ * sizeof(T), guard) {
    fill(std::numeric_limits<T>::quiet_NaN());
  }
  void fill(T x) const {
    for (size_t i = 0; i < size_; ++i) data()[i] = x;
  }
  T *data() const { return reinterpret_cast<T *>(bytes_.data()); }
  size_t size() const { return size_; }
  T &operator[](size_t i) const { return data()[i]; }
  T *begin() const { return data(); }
  T *end() const { return data() + size_; }

 private:
  size_t size_;
  GuardedBytes bytes_;
};

}  // namespace test
#endif
