#include "backlog.h"

namespace convkit {

Backlog::Place::~Place() {
  if (held_) Backlog::instance().give(quick_, bytes_);
}

// Never destroyed: jobs of a worker may end after the statics of this library.
Backlog& Backlog::instance() {
  static Backlog* const backlog = new Backlog;
  return *backlog;
}

void Backlog::set_limits(const Amount& most) {
  const Lock lock(mutex_);
  most_ = most;
}

Backlog::Place Backlog::take(bool quick, int64_t bytes) {
  const Lock lock(mutex_);
  Amount& amount = amounts_[quick ? 1 : 0];
  if (amount.calls > 0 && (amount.calls >= most_.calls || bytes > most_.bytes - amount.bytes)) return Place();
  amount.calls++;
  amount.bytes += bytes;
  return Place(quick, bytes);
}

Backlog::Amount Backlog::under_way(bool quick) {
  const Lock lock(mutex_);
  return amounts_[quick ? 1 : 0];
}

void Backlog::give(bool quick, int64_t bytes) {
  const Lock lock(mutex_);
  Amount& amount = amounts_[quick ? 1 : 0];
  amount.calls--;
  amount.bytes -= bytes;
}

}  // namespace convkit
