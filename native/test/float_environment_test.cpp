/* The floating-point environment of the caller and of the host's threads: nothing that is set there changes a result
 * (denormals flushed, another rounding), nothing of it is changed by a call; and denormal numbers are numbers. x86
 * only: it has _mm_setcsr. */
#include "runner.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>

#include <atomic>
#include <cstring>

using namespace test;

namespace {

/* Flush to zero and denormals are zero; rounding up, and towards zero; flags raised. */
constexpr unsigned kStates[] = {0x1f80 | 0x8040, 0x1f80 | 0x4000, 0x1f80 | 0x6000 | 0x8040, 0x1f80 | 0x15};

/* Sets a state while it lives, and tells whether anybody else has changed it. */
class CallerState {
 public:
  explicit CallerState(unsigned state) : state_(state), before_(_mm_getcsr()) { _mm_setcsr(state); }
  ~CallerState() { _mm_setcsr(before_); }
  CallerState(const CallerState &) = delete;
  CallerState &operator=(const CallerState &) = delete;
  bool unchanged() const { return _mm_getcsr() == state_; }

 private:
  unsigned state_, before_;
};

/* What the threads of the hosts below start with, as those of a pool that another library's thread has started; and
 * whether all of them have ended with it. */
std::atomic<unsigned> thread_state{0x1f80};
std::atomic<bool> threads_unchanged{true};

void in_thread(bool starts) {
  if (starts) _mm_setcsr(thread_state);
  if (_mm_getcsr() != thread_state) threads_unchanged = false;
}

/* Runs `body` on a host of three threads, all of them and the caller in this state. True if it is unchanged. */
template <typename Body>
bool run_in_state(unsigned state, const Body &body) {
  Host host(3);
  host.in_thread = in_thread;
  thread_state = state;
  threads_unchanged = true;
  const CallerState caller(state);
  body(host);
  return caller.unchanged() && threads_unchanged;
}

template <typename T>
bool same_bits(const Buffer<T> &a, const Buffer<T> &b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/* Numbers whose products and sums are rounded, some of them denormal. */
template <typename T>
void fill(const Buffer<T> &buffer, Random &random, double scale) {
  for (T &x : buffer) x = static_cast<T>(static_cast<double>(random.between(-1000000, 1000000)) * scale);
}

template <typename T>
void check_states(const ck_problem &p, Random &random) {
  const Data<T> data(p, Guard::behind);
  const double tiny = static_cast<double>(std::numeric_limits<T>::min());
  fill(data.image, random, tiny * 1e-5), fill(data.features, random, tiny * 1e-5), fill(data.weights, random, 1e-6);
  for (const ck_pass pass : kPasses) {
    if (pass == CK_WEIGHT_GRADIENT) fill(data.features, random, 1e-6);
    for (const std::string &algorithm : algorithm_names()) {
      for (const std::string &isa : isa_names()) {
        const Buffer<T> wanted(result_size(p, pass)), out(result_size(p, pass));
        const auto run = [&](Host &host, const Buffer<T> &to) {
          return run_pass(host, p, pass, isa.c_str(), data, nullptr, true, to.data(), algorithm.c_str());
        };
        Host plain(3);
        if (run(plain, wanted) != CK_OK) continue;
        const std::string what = algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(pass);
        for (const unsigned state : kStates) {
          const bool unchanged = run_in_state(state, [&](Host &host) { run(host, out); });
          CHECK(same_bits(out, wanted), what + ": the state " + std::to_string(state) + " changes the result");
          CHECK(unchanged, what + ": the state " + std::to_string(state) + " is changed");
        }
      }
    }
  }
}

/* Multiples of the smallest denormal: sums of them are exact. */
template <typename T>
void check_denormals(const ck_problem &p, Random &random) {
  const double smallest = static_cast<double>(std::numeric_limits<T>::denorm_min());
  const std::vector<double> image = small_integers(image_size(p), random),
                            features = small_integers(feature_size(p), random),
                            weights = small_integers(weight_size(p), random);
  const Data<T> data(p, Guard::behind);
  const auto scaled = [&](const std::vector<double> &from, const Buffer<T> &to, double scale) {
    for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(from[i] * scale);
  };
  for (const ck_pass pass : kPasses) {
    scaled(image, data.image, smallest);
    scaled(features, data.features, pass == CK_WEIGHT_GRADIENT ? 1 : smallest);
    scaled(weights, data.weights, 1);
    const std::vector<double> wanted = pass == CK_FORWARD   ? reference_forward(p, image, weights)
                                       : pass == CK_ADJOINT ? reference_adjoint(p, features, weights)
                                                            : reference_gradient(p, image, features);
    for (const std::string &algorithm : algorithm_names()) {
      if (!is_exact(algorithm)) continue; /* a transform rounds at the smallest denormal */
      for (const std::string &isa : isa_names()) {
        Host host(2);
        const Buffer<T> out(result_size(p, pass));
        if (run_pass(host, p, pass, isa.c_str(), data, nullptr, false, out.data(), algorithm.c_str()) != CK_OK)
          continue;
        bool right = true;
        for (size_t i = 0; i < out.size(); ++i) right = right && out[i] == static_cast<T>(wanted[i] * smallest);
        CHECK(right, algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(pass) + ": denormals");
      }
    }
  }
}

}  // namespace

TEST(float_environment) {
  Random random(test::options.seed);
  for (int32_t layout = 0; layout < 2; ++layout) {
    ck_problem problems[] = {make_problem(2, 18, 20, 1, 33, 35, 3, 1, 1, 1),
                             make_problem(2, 40, 40, 40, 30, 31, 5, 1, 2, 1),
                             make_problem(1, 9, 10, 1, 24, 25, 4, 2, 1, 1)};
    for (ck_problem &p : problems) {
      p.layout = layout;
      check_states<float>(p, random);
      check_denormals<float>(p, random);
      if (test::options.brief) continue;
      check_states<double>(with_type(p, CK_FLOAT64), random);
      check_denormals<double>(with_type(p, CK_FLOAT64), random);
    }
  }
}

TEST(float_environment_of_bias_gradient) {
  constexpr int64_t kPixels = 100000;
  const Buffer<float> gradient(3 * kPixels), wanted(3), out(3);
  Random random(test::options.seed);
  fill(gradient, random, 1e-6);
  for (const ck_layout layout : {CK_CHANNELS_FIRST, CK_CHANNELS_LAST}) {
    const auto run = [&](Host &host, const Buffer<float> &to) {
      CHECK(ck_bias_gradient(&host.runtime, CK_FLOAT32, layout, 1, 3, kPixels, gradient.data(), to.data()) == CK_OK,
            "");
    };
    Host plain(3);
    run(plain, wanted);
    for (const unsigned state : kStates) {
      const bool unchanged = run_in_state(state, [&](Host &host) { run(host, out); });
      CHECK(unchanged && same_bits(out, wanted), std::to_string(state));
    }
  }
}
#endif
