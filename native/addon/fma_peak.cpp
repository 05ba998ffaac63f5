#include "fma_peak.h"

#include <string>

#include "../core/convkit.h"
#include "calls.h"
#include "js_args.h"
#include "pool.h"

namespace convkit {

// peak(isa) -> GFLOP/s in float32 of all threads of the pool together, in some hundredths of a second
Napi::Value peak_rate(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string name = args.text(0);
  const auto sets = peak::instruction_sets<float>();
  const auto set = std::find_if(sets.begin(), sets.end(), [&](const auto& one) { return name == one.name; });
  int32_t index = 0;
  while (index < ck_isa_count() && name != ck_isa_name(index)) index++;
  if (set == sets.end() || index == ck_isa_count()) args.complain("no such instruction set here");
  if (!args.good()) return finish(args.env(), args.outcome());

  struct Measurement {
    const peak::InstructionSet<float>* set;
    std::vector<double> rates;
  } measurement{&*set, std::vector<double>(static_cast<size_t>(Pool::instance().threads()))};
  const auto measure = [](void* argument, int64_t thread, int32_t) {
    auto* const to = static_cast<Measurement*>(argument);
    to->rates[static_cast<size_t>(thread)] = peak::multiply_adds(*to->set);
  };
  const auto count = static_cast<int32_t>(measurement.rates.size());
  Pool::instance().parallel_for(count, count, measure, &measurement);
  double total = 0;
  for (const double rate : measurement.rates) total += rate;
  return Napi::Number::New(info.Env(), total);
}

}  // namespace convkit
