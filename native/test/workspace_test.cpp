/* Memory: what a run asks of its host is no more than plan said, and what the plan says is little.
 *
 *     packed weights + one padded (or phase-split) copy of one operand per image in flight + 1 MiB a slot
 *
 * for plans without transforms. Plans of winograd and fft state theirs; they are held to what they say. Every
 * algorithm, every pass, over random problems and over the layers of the benchmark. */
#include <fstream>

#include "../../bench/native/request.h"
#include "runner.h"

using namespace test;

namespace {

constexpr int64_t kMebibyte = INT64_C(1) << 20;

/* The layers of the benchmark, one a line. A transposed convolution is the adjoint of a direct one. */
std::vector<ck_problem> benchmark_layers() {
  std::vector<ck_problem> problems;
  std::ifstream file(CONVKIT_TEST_LAYERS);
  for (std::string line; std::getline(file, line);) {
    const bench::Request layer(line);
    if (layer.text("name").empty()) continue;
    const bool transposed = layer.text("op") == "convTranspose";
    const std::vector<int64_t> input = layer.numbers("input"), kernel = layer.numbers("kernel"),
                               stride = layer.numbers("stride"), padding = layer.numbers("padding"),
                               dilation = layer.numbers("dilation"), more = layer.numbers("outputPadding");
    ck_problem p = make_problem(layer.number("batch"), layer.number("inChannels"), layer.number("outChannels"),
                                layer.number("groups"), 1, 1, 1, 1, 0, 1);
    if (transposed) std::swap(p.image_channels, p.feature_channels);
    for (size_t i = 0; i < input.size(); ++i) {
      const size_t a = 3 - input.size() + i;
      p.kernel[a] = kernel[i], p.stride[a] = stride[i], p.dilation[a] = dilation[i], p.pad_begin[a] = padding[i];
      const int64_t reach = dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i];
      p.image[a] = transposed ? (input[i] - 1) * stride[i] + reach + (more.empty() ? 0 : more[i]) : input[i];
      p.features[a] = transposed ? input[i] : (input[i] - reach) / stride[i] + 1;
    }
    problems.push_back(p);
  }
  return problems;
}

/* Bytes of one image's side of a problem, with all padding that a pass can read. */
int64_t padded_copy(const ck_problem &p) {
  int64_t image = p.image_channels, features = p.feature_channels;
  for (int a = 0; a < 3; ++a) {
    const int64_t reach = p.dilation[a] * (p.kernel[a] - 1);
    const int64_t read = (p.features[a] - 1) * p.stride[a] + reach + 1;
    image *= (read > p.image[a] ? read : p.image[a]) + p.stride[a];
    features *= p.features[a] + 2 * (reach / p.stride[a] + 1);
  }
  return (image > features ? image : features) * (p.image_type == CK_FLOAT32 ? 4 : 8);
}

bool transforms(const std::string &algorithm) { return algorithm == "winograd" || algorithm == "fft"; }

void check_plan(const ck_problem &p, ck_pass pass, int32_t slots, const ck_plan_info &info, const std::string &what) {
  CHECK((pass == CK_WEIGHT_GRADIENT) == (info.weights_bytes == 0), what + ": packed weights");
  const int64_t scratch = info.workspace_bytes - info.weights_bytes;
  CHECK(scratch >= 0, what + ": less than the packed weights");
  if (transforms(info.algorithm)) return;
  const int64_t in_flight = slots < p.batch ? slots : p.batch;
  CHECK(scratch <= slots * kMebibyte + in_flight * padded_copy(p), what + ": " + std::to_string(scratch) + " bytes");
}

/* Runs with weights as they are and with packed ones, and compares what the host has lent. */
void check_run(Host *host, const PlanOwner &owner, ck_operands operands, ck_status expected, const std::string &what) {
  const ck_plan_info info = owner.info();
  const int64_t before = host->bytes;
  const auto run = [&](int64_t most) {
    host->reset_peak();
    const int64_t lent = host->bytes;
    CHECK(ck_run(owner.plan, &host->runtime, &operands) == expected, what);
    const int64_t asked = host->peak_bytes - lent;
    CHECK(asked <= most, what + ": " + std::to_string(asked) + " bytes asked for, not " + std::to_string(most));
    CHECK(host->bytes == lent, what + ": memory is left");
  };
  run(info.workspace_bytes);
  if (info.weights_bytes == 0 || expected != CK_OK) return;

  ck_weights *packed = nullptr;
  host->reset_peak();
  CHECK(ck_weights_pack(owner.plan, &host->runtime, operands.weights, &packed) == CK_OK, what + ": packing");
  CHECK(host->peak_bytes - before <= info.workspace_bytes + 4096, what + ": packing");
  CHECK(host->bytes - before <= info.weights_bytes + 4096, what + ": packed weights are more than the plan says");
  operands.packed = packed;
  operands.weights = nullptr;
  run(info.workspace_bytes - info.weights_bytes);
  ck_weights_destroy(packed);
}

template <typename T>
void check_problem(const ck_problem &p, const std::string &isa, bool whole) {
  const Data<T> data(p, Guard::behind);
  for (const ck_pass pass : kPasses) {
    const Buffer<T> out(result_size(p, pass));
    for (int32_t i = 0; i < ck_algorithm_count(); ++i) {
      for (const int32_t slots : {1, 3}) {
        Host host(slots);
        const PlanOwner owner(host, p, pass, isa.c_str(), ck_algorithm_name(i));
        if (owner.status == CK_UNSUPPORTED) continue;
        const std::string what = std::string(owner.info().id) + ": " + describe(p, isa.c_str());
        check_plan(p, pass, slots, owner.info(), what);
        if (!whole) host.cancel_at = 0; /* memory is taken, and nothing computed */
        const bool runs = whole || p.batch == 0;
        check_run(&host, owner, operands_of(pass, data, out.data()), runs ? CK_OK : CK_CANCELLED, what);
      }
    }
  }
}

}  // namespace

TEST(workspace_of_random_problems) {
  Random random(test::options.seed);
  for (int i = 0; i < 10 + test::options.random_cases / 4; ++i) {
    ck_problem p = random_problem(random);
    if (i < 2) {
      p = make_problem(2, 40, 37, 1, 33, 31, 3, 1, 1, 1);
      p.layout = p.weight_layout = i;
    }
    for (const std::string &isa : isa_names()) {
      if (p.image_type == CK_FLOAT32) {
        check_problem<float>(p, isa, true);
      } else {
        check_problem<double>(p, isa, true);
      }
    }
  }
}

/* Large, deep, long: planned only. */
TEST(workspace_of_large_problems) {
  std::vector<ck_problem> problems;
  for (int32_t layout = 0; layout < 2; ++layout) {
    problems.push_back(make_problem(1, 256, 256, 1, 64, 64, 3, 1, 1, 1));
    problems.push_back(make_problem(8, 2048, 2048, 1, 16, 16, 3, 1, 1, 1));
    problems.push_back(make_problem(1, 3, 64, 1, 4000, 4000, 7, 2, 3, 1));
    problems.push_back(make_problem(2, 4096, 1, 1, 300, 300, 31, 1, 15, 1));
    problems.push_back(make_problem(1, 512, 512, 512, 200, 200, 31, 1, 15, 3));
    ck_problem phases = make_problem(1, 1, 4000, 1, 1, 60000, 1, 1, 0, 1); /* many that cannot be joined */
    phases.kernel[2] = 301, phases.stride[2] = 250, phases.features[2] = 239;
    problems.push_back(phases);
    ck_problem planes = make_problem(1, 4, 4, 4, 128, 1024, 4, 2, 1, 1); /* results of a band that wait */
    planes.image[0] = 64, planes.features[0] = 32;
    planes.kernel[0] = 4, planes.stride[0] = 2, planes.pad_begin[0] = 1;
    problems.push_back(planes);
    for (ck_problem &p : problems) p.layout = layout;
    for (const ck_problem &p : problems) {
      for (const ck_type type : {CK_FLOAT32, CK_FLOAT64}) {
        for (const ck_pass pass : kPasses) {
          for (const std::string &isa : isa_names()) {
            for (int32_t i = 0; i < ck_algorithm_count(); ++i) {
              const Host host(3);
              const ck_problem typed = with_type(p, type);
              const PlanOwner owner(host, typed, pass, isa.c_str(), ck_algorithm_name(i));
              if (owner.status == CK_UNSUPPORTED) continue;
              const std::string what = std::string(owner.info().id) + ": " + describe(typed, isa.c_str());
              check_plan(typed, pass, 3, owner.info(), what);
              if (what.find("/planes/") == std::string::npos) continue;
              CHECK(owner.info().workspace_bytes - owner.info().weights_bytes <= 3 << 20, what + ": a MiB each");
            }
          }
        }
      }
    }
  }
}

TEST(workspace_of_the_benchmark) {
  constexpr double most_terms = 25e6; /* larger ones are cancelled as soon as they have their memory */
  const std::vector<ck_problem> layers = benchmark_layers();
  CHECK(layers.size() > 10, "no layers in " CONVKIT_TEST_LAYERS);
  for (const ck_problem &p : layers) check_problem<float>(p, ck_isa_name(0), terms_of(p) < most_terms);
}
