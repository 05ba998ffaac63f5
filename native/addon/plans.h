// Plans with shared ownership, and the small cache that serves functional calls.
#ifndef CONVKIT_ADDON_PLANS_H
#define CONVKIT_ADDON_PLANS_H

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "../core/convkit.h"
#include "record.h"

namespace convkit {

class Plan {
 public:
  Plan(ck_plan* plan, int32_t slots);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const ck_plan* get() const { return plan_; }
  const ck_plan_info& info() const { return info_; }
  int32_t slots() const { return slots_; }  // a run of this plan uses so many threads

 private:
  ck_plan* plan_;
  ck_plan_info info_;
  int32_t slots_;
};
using PlanPtr = std::shared_ptr<const Plan>;

// A status of the core with its one line of text.
struct Outcome {
  ck_status status = CK_OK;
  char why[160] = "";

  static Outcome failure(ck_status status, const char* why);
  bool ok() const { return status == CK_OK; }
};

// Plans by their key (the first kKeyFields numbers of the call record, the number of threads, and whether weights are
// prepared), least recently used out first. One per environment, used on its JavaScript thread only.
class PlanCache {
 public:
  // isa: empty for the best one.
  void set_isa(std::string isa);
  const std::string& isa() const { return isa_; }

  Outcome find(const double* fields, const CallRecord& record, bool prepared, PlanPtr* plan);

 private:
  struct Entry {
    uint64_t hash, used;
    std::array<double, kKeyFields> key;
    bool prepared;
    PlanPtr plan;
  };
  std::string isa_;
  std::vector<Entry> entries_;
  uint64_t clock_ = 0;
};

}  // namespace convkit
#endif
