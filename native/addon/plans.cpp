#include "plans.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "node_runtime.h"

namespace convkit {

namespace {

constexpr size_t kCachedPlans = 64;

// Mixes whole words: the key is 256 bytes and is hashed on every call.
uint64_t hash_key(const double* fields, int32_t slots) {
  uint64_t hash = static_cast<uint64_t>(slots);
  for (size_t i = 0; i < kKeyFields; i++) {
    uint64_t word;
    std::memcpy(&word, fields + i, sizeof word);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

Plan::Plan(ck_plan* plan, int32_t slots) : plan_(plan), info_(), slots_(slots) { ck_plan_describe(plan, &info_); }
Plan::~Plan() { ck_plan_destroy(plan_); }

Outcome Outcome::failure(ck_status status, const char* why) {
  Outcome outcome;
  outcome.status = status;
  std::snprintf(outcome.why, sizeof outcome.why, "%s", why);
  return outcome;
}

void PlanCache::set_isa(std::string isa) {
  isa_ = std::move(isa);
  entries_.clear();
}

Outcome PlanCache::find(const double* fields, const CallRecord& record, bool prepared, PlanPtr* plan) {
  const int32_t slots = slots_for(record.operations);
  const uint64_t hash = hash_key(fields, slots);
  for (Entry& entry : entries_) {
    // Equal bytes are what is meant: -0 and NaN only make an entry of their own.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    const bool same = std::memcmp(entry.key.data(), fields, sizeof entry.key) == 0;
    if (entry.hash == hash && entry.plan->slots() == slots && entry.prepared == prepared && same) {
      entry.used = ++clock_;
      *plan = entry.plan;
      return Outcome();
    }
  }

  Outcome outcome;
  ck_plan* created = nullptr;
  const NodeRuntime runtime(slots);
  outcome.status = ck_plan_create(runtime.get(), &record.problem, record.pass,
                                  record.algorithm < 0 ? nullptr : ck_algorithm_name(record.algorithm),
                                  isa_.empty() ? nullptr : isa_.c_str(), prepared ? 1 : 0, &created, outcome.why);
  if (!outcome.ok()) return outcome;
  *plan = std::make_shared<const Plan>(created, slots);

  Entry entry{hash, ++clock_, {}, prepared, *plan};
  std::copy_n(fields, kKeyFields, entry.key.begin());
  if (entries_.size() < kCachedPlans) {
    entries_.push_back(std::move(entry));
  } else {
    *std::min_element(entries_.begin(), entries_.end(),
                      [](const Entry& one, const Entry& other) { return one.used < other.used; }) = std::move(entry);
  }
  return outcome;
}

}  // namespace convkit
