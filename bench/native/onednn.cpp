// oneDNN as a contestant: all three passes of both operators, float32, in a process of its own.
//
//   onednn <threads>          (built by native.mjs where the library is installed; Debian: libdnnl-dev)
//
// Input, output and gradients are plain arrays, as those of the other contestants. There are some ways to compute from
// them, and the fastest one counts, measured when a case is loaded:
//
//   plain     the primitive reads and writes plain arrays
//   blocked   the primitive chooses its formats; reorders to and from them are part of the call
//   winograd  the same with the algorithm of this name, in the forward pass of a convolution
//
// The format of the weights is always the primitive's choice. In the forward pass they are reordered ahead of time, as
// convkit's prepared ones are. In the gradients that is part of the call.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <dnnl.hpp>
#include <fstream>
#include <iostream>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "request.h"

namespace {

using bench::Request;
using dnnl::memory;
using Dims = memory::dims;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

double millisecondsNow() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t product(const Dims& dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// makeData of layers.mjs
std::vector<float> makeData(std::int64_t size, std::uint32_t seed) {
  std::vector<float> data(static_cast<std::size_t>(size));
  std::uint32_t state = seed;
  for (std::int64_t i = -16; i < size; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    if (i >= 0) data[static_cast<std::size_t>(i)] = static_cast<float>(static_cast<std::int32_t>(state) / 2147483648.0);
  }
  return data;
}

struct Layer {
  bool transposed;
  Dims input, output, weights;  // weights as oneDNN counts them: [groups,] output, input, kernel
  Dims weightSteps;             // of the caller's array, in elements
  Dims strides, dilates, begin, end;
};

Layer readLayer(const Request& request) {
  Layer layer;
  layer.transposed = request.text("op") == "convTranspose";
  const std::int64_t groups = request.number("groups", 1), in = request.number("inChannels"),
                     out = request.number("outChannels");
  const Dims kernel = request.numbers("kernel"), dilation = request.numbers("dilation");
  const Dims spatial = request.numbers("input"), outputPadding = request.numbers("outputPadding");
  layer.strides = request.numbers("stride");
  layer.begin = layer.end = request.numbers("padding");
  layer.input = {request.number("batch"), in};
  layer.output = {request.number("batch"), out};
  for (std::size_t axis = 0; axis < spatial.size(); axis++) {
    const std::int64_t effective = dilation[axis] * (kernel[axis] - 1) + 1, stride = layer.strides[axis];
    layer.dilates.push_back(dilation[axis] - 1);
    layer.input.push_back(spatial[axis]);
    if (layer.transposed) {
      if (!outputPadding.empty()) layer.end[axis] -= outputPadding[axis];
      layer.output.push_back((spatial[axis] - 1) * stride - layer.begin[axis] - layer.end[axis] + effective);
    } else {
      layer.output.push_back((spatial[axis] + 2 * layer.begin[axis] - effective) / stride + 1);
      // What the last position does not reach is no padding.
      layer.end[axis] = (layer.output.back() - 1) * stride + effective - spatial[axis] - layer.begin[axis];
    }
  }
  // The array is [output, input / groups, ...kernel], or transposed [input, output / groups, ...kernel].
  const std::int64_t taps = product(kernel), o = out / groups, i = in / groups;
  layer.weights = {o, i};
  layer.weightSteps = layer.transposed ? Dims{taps, o * taps} : Dims{i * taps, taps};
  if (groups > 1) {
    layer.weights.insert(layer.weights.begin(), groups);
    layer.weightSteps.insert(layer.weightSteps.begin(), o * i * taps);
  }
  for (std::size_t axis = 0; axis < kernel.size(); axis++) {
    layer.weights.push_back(kernel[axis]);
    layer.weightSteps.push_back(product(Dims(kernel.begin() + static_cast<std::ptrdiff_t>(axis) + 1, kernel.end())));
  }
  return layer;
}

memory::desc plain(const Dims& dims) {
  static const memory::format_tag tags[] = {memory::format_tag::ncw, memory::format_tag::nchw,
                                            memory::format_tag::ncdhw};
  return memory::desc(dims, memory::data_type::f32, tags[dims.size() - 3]);
}
memory::desc any(const Dims& dims) { return memory::desc(dims, memory::data_type::f32, memory::format_tag::any); }

// Primitives with their arguments, executed one after the other.
class Sequence {
 public:
  std::string name;

  // The memory itself where it has the wanted format, else one that is filled from it by a further step.
  memory given(const memory& from, const memory::desc& wanted) {
    if (from.get_desc() == wanted) return from;
    const memory to(wanted, cpu());
    add(dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    return to;
  }
  void add(const dnnl::primitive& primitive, std::unordered_map<int, memory> arguments) {
    steps_.emplace_back(primitive, std::move(arguments));
  }
  // `from` to the caller's memory, unless it is just that.
  void deliver(const memory& from, const memory& to) {
    if (from.get_data_handle() != to.get_data_handle()) {
      add(dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    }
  }
  void run() {
    for (auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
    stream_.wait();
  }

 private:
  dnnl::stream stream_{cpu()};
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps_;
};

enum class Form { kPlain, kBlocked, kWinograd };
constexpr const char* kFormNames[] = {"/plain", "/blocked", "/winograd"};

struct Convolution {
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;
  static constexpr dnnl::algorithm kDirect = dnnl::algorithm::convolution_direct;
  static constexpr dnnl::algorithm kBest = dnnl::algorithm::convolution_auto;
};
struct Deconvolution {
  using Forward = dnnl::deconvolution_forward;
  using BackwardData = dnnl::deconvolution_backward_data;
  using BackwardWeights = dnnl::deconvolution_backward_weights;
  static constexpr dnnl::algorithm kDirect = dnnl::algorithm::deconvolution_direct;
  static constexpr dnnl::algorithm kBest = dnnl::algorithm::deconvolution_direct;
};

class Case {
 public:
  explicit Case(const Request& request)
      : layer_(readLayer(request)),
        input_(makeData(product(layer_.input), 1)),
        weights_(makeData(product(layer_.weights), 2)),
        output_(makeData(product(layer_.output), 3)) {
    const std::string pass = request.text("pass");
    if (request.text("dtype") != "float32") throw std::runtime_error("oneDNN has no float64 here");
    std::string refused;
    double best = INFINITY;
    for (const Form form : {Form::kPlain, Form::kBlocked, Form::kWinograd}) {
      if (form == Form::kWinograd && (layer_.transposed || pass != "forward")) continue;
      try {
        auto sequence = layer_.transposed ? build<Deconvolution>(pass, form) : build<Convolution>(pass, form);
        const double time = trial(sequence.get());
        if (time < best) best = time, sequence_ = std::move(sequence);
      } catch (const dnnl::error& error) {
        if (refused.empty()) refused = error.what();
      }
    }
    if (sequence_ == nullptr) throw std::runtime_error(refused);
    result_ = pass == "forward" ? &output_ : pass == "gradInput" ? &input_ : &weights_;
  }

  void run() { sequence_->run(); }
  const std::string& plan() const { return sequence_->name; }
  const std::vector<float>& result() const { return *result_; }

 private:
  // The least of three calls after an untimed one.
  static double trial(Sequence* sequence) {
    sequence->run();
    double best = INFINITY;
    for (int i = 0; i < 3; i++) {
      const double start = millisecondsNow();
      sequence->run();
      best = std::min(best, millisecondsNow() - start);
    }
    return best;
  }

  template <typename Operator>
  std::unique_ptr<Sequence> build(const std::string& pass, Form form) {
    const auto& [transposed, in, out, w, steps, strides, dilates, begin, end] = layer_;
    const auto map = [&](const Dims& dims) { return form == Form::kPlain ? plain(dims) : any(dims); };
    const memory input(plain(in), cpu(), input_.data()), output(plain(out), cpu(), output_.data());
    const memory weights(memory::desc(w, memory::data_type::f32, steps), cpu(), weights_.data());
    auto sequence = std::make_unique<Sequence>();
    const auto named = [&](const char* implementation) {
      sequence->name = std::string(implementation) + kFormNames[static_cast<int>(form)];
    };

    using Forward = typename Operator::Forward;
    const bool inference = pass == "forward";
    const typename Forward::desc forward(
        inference ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training,
        form == Form::kWinograd ? dnnl::algorithm::convolution_winograd
        : inference             ? Operator::kBest
                                : Operator::kDirect,
        map(in), any(w), map(out), strides, dilates, begin, end);
    const typename Forward::primitive_desc hint(forward, cpu());
    if (inference) {
      Sequence ahead;
      const memory prepared = ahead.given(weights, hint.weights_desc());
      ahead.run();
      const memory from = sequence->given(input, hint.src_desc());
      const memory to = hint.dst_desc() == output.get_desc() ? output : memory(hint.dst_desc(), cpu());
      sequence->add(Forward(hint), {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, prepared}, {DNNL_ARG_DST, to}});
      sequence->deliver(to, output);
      named(hint.impl_info_str());
    } else if (pass == "gradInput") {
      using Backward = typename Operator::BackwardData;
      const typename Backward::desc backward(Operator::kDirect, map(in), any(w), map(out), strides, dilates, begin,
                                             end);
      const typename Backward::primitive_desc chosen(backward, cpu(), hint);
      const memory from = sequence->given(output, chosen.diff_dst_desc());
      const memory packed = sequence->given(weights, chosen.weights_desc());
      const memory to = chosen.diff_src_desc() == input.get_desc() ? input : memory(chosen.diff_src_desc(), cpu());
      sequence->add(Backward(chosen), {{DNNL_ARG_DIFF_DST, from}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DIFF_SRC, to}});
      sequence->deliver(to, input);
      named(chosen.impl_info_str());
    } else {
      using Backward = typename Operator::BackwardWeights;
      const typename Backward::desc backward(Operator::kDirect, map(in), any(w), map(out), strides, dilates, begin,
                                             end);
      const typename Backward::primitive_desc chosen(backward, cpu(), hint);
      const memory from = sequence->given(input, chosen.src_desc());
      const memory gradient = sequence->given(output, chosen.diff_dst_desc());
      const memory::desc& made = chosen.diff_weights_desc();
      const memory to = made == weights.get_desc() ? weights : memory(made, cpu());
      sequence->add(Backward(chosen),
                    {{DNNL_ARG_SRC, from}, {DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_DIFF_WEIGHTS, to}});
      sequence->deliver(to, weights);
      named(chosen.impl_info_str());
    }
    return sequence;
  }

  Layer layer_;
  std::vector<float> input_, weights_, output_;
  std::unique_ptr<Sequence> sequence_;
  const std::vector<float>* result_ = nullptr;
};

// The same sampling as that of contestants/serve.mjs.
std::string sample(Case* call, double* estimate, double budget) {
  constexpr double kSampleMs = 0.25;
  const int repeats = std::max(1, static_cast<int>(std::ceil(kSampleMs / std::max(*estimate, 1e-4))));
  if (*estimate * 4 < budget) call->run();
  std::string times;
  const double end = millisecondsNow() + budget;
  do {
    const double start = millisecondsNow();
    for (int i = 0; i < repeats; i++) call->run();
    const double time = (millisecondsNow() - start) / repeats;
    *estimate = std::min(*estimate, time);
    times += (times.empty() ? "" : ",") + std::to_string(time);
  } while (millisecondsNow() < end);
  return "{\"times\":[" + times + "]}";
}

std::string answer(const Request& request, std::unique_ptr<Case>* current, double* estimate) {
  const std::string wish = request.text("do");
  if (wish == "about") {
    const dnnl_version_t& version = *dnnl::version();
    return "{\"version\":\"" + std::to_string(version.major) + '.' + std::to_string(version.minor) + '.' +
           std::to_string(version.patch) + "\"}";
  }
  if (wish == "load") {
    current->reset();
    *current = std::make_unique<Case>(request);
    Case& call = **current;
    call.run();
    const std::vector<float>& values = call.result();
    std::ofstream file(request.text("resultFile"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
    const double start = millisecondsNow();
    call.run();
    *estimate = millisecondsNow() - start;
    return "{\"elements\":" + std::to_string(values.size()) + ",\"plan\":\"" + call.plan() + "\"}";
  }
  if (*current == nullptr) throw std::runtime_error("nothing is loaded");
  return sample(current->get(), estimate, static_cast<double>(request.number("budgetMs")));
}

}  // namespace

int main() {
  std::unique_ptr<Case> current;
  double estimate = 0;
  std::string line;
  while (std::getline(std::cin, line)) {
    try {
      std::cout << answer(Request(line), &current, &estimate) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "{\"error\":\"" << error.what() << "\"}" << std::endl;
    }
  }
}
