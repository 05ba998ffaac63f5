// How much may be under way: calls, and the bytes of their copied operands and of their results, from the moment that a
// call is accepted until its promise is settled. Quick and long calls are counted apart, so that neither kind can crowd
// out the other. Of the process, as the pool and its memory are.
//
// A call that alone is larger than the bound is accepted where nothing else of its kind is under way.
#ifndef CONVKIT_ADDON_BACKLOG_H
#define CONVKIT_ADDON_BACKLOG_H

#include <cstdint>
#include <utility>

#include "mutex.h"

namespace convkit {

class Backlog {
 public:
  struct Amount {
    int64_t calls = 0, bytes = 0;
  };

  // What a call takes, given back with its end. Empty: there was no room.
  class Place {
   public:
    Place() = default;
    Place(bool quick, int64_t bytes) : held_(true), quick_(quick), bytes_(bytes) {}
    Place(Place&& other) noexcept
        : held_(std::exchange(other.held_, false)), quick_(other.quick_), bytes_(other.bytes_) {}
    Place& operator=(Place&&) = delete;
    ~Place();
    explicit operator bool() const { return held_; }
    bool quick() const { return quick_; }

   private:
    bool held_ = false, quick_ = false;
    int64_t bytes_ = 0;
  };

  static Backlog& instance();
  void set_limits(const Amount& most);
  Place take(bool quick, int64_t bytes);
  Amount under_way(bool quick);

 private:
  void give(bool quick, int64_t bytes);

  Mutex mutex_;
  Amount most_{INT64_MAX, INT64_MAX};
  Amount amounts_[2];  // long, quick
};

}  // namespace convkit
#endif
