#include "record.h"

#include <algorithm>
#include <initializer_list>

namespace convkit {

namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;

// Reads fields one after the other and remembers whether one was out of its range.
class Reader {
 public:
  explicit Reader(const double* fields) : next_(fields) {}

  int64_t integer(double low, double high) {
    const double value = *next_++;
    if (!(value >= low && value <= high) || value != static_cast<double>(static_cast<int64_t>(value))) {
      good_ = false;
      return static_cast<int64_t>(low);
    }
    return static_cast<int64_t>(value);
  }
  int64_t size(double low) { return integer(low, kMaxSafeInteger); }
  int32_t choice(int32_t high) { return static_cast<int32_t>(integer(0, high)); }
  int32_t choice(int32_t low, int32_t high) { return static_cast<int32_t>(integer(low, high)); }
  double number() { return *next_++; }
  void triple(int64_t* values, double low) {
    std::generate_n(values, 3, [&] { return size(low); });
  }
  bool good() const { return good_; }

 private:
  const double* next_;
  bool good_ = true;
};

// False when the product does not fit.
bool product(std::initializer_list<int64_t> factors, int64_t* result) {
  *result = 1;
  for (const int64_t factor : factors) {
    if (__builtin_mul_overflow(*result, factor, result)) return false;
  }
  return true;
}

}  // namespace

int64_t CallRecord::out_length() const {
  switch (pass) {
    case CK_FORWARD:
      return feature_length;
    case CK_ADJOINT:
      return image_length;
    default:
      return weight_length;
  }
}

const char* decode_call(const double* fields, CallRecord* record) {
  Reader read(fields + kProblemFields);
  record->pass = static_cast<ck_pass>(read.choice(CK_WEIGHT_GRADIENT));
  record->algorithm = read.choice(-1, ck_algorithm_count() - 1);
  record->activation = read.choice(CK_HARD_SWISH);
  record->a = read.number();
  record->b = read.number();
  return read.good() ? nullptr : "the call record holds a number out of range";
}

const char* decode_record(const double* fields, CallRecord* record) {
  Reader read(fields);
  ck_problem& p = record->problem;
  p.image_type = read.choice(CK_FLOAT64);
  p.weight_type = read.choice(CK_FLOAT64);
  p.accumulator_type = read.choice(CK_FLOAT64);
  p.feature_type = read.choice(CK_FLOAT64);
  p.batch = read.size(0);
  p.groups = read.size(1);
  p.image_channels = read.size(1);
  p.feature_channels = read.size(1);
  read.triple(p.image, 1);
  read.triple(p.kernel, 1);
  read.triple(p.features, 1);
  read.triple(p.stride, 1);
  read.triple(p.dilation, 1);
  read.triple(p.pad_begin, 0);
  p.padding_mode = read.choice(CK_CIRCULAR);
  p.flip_kernel = read.choice(1);
  p.layout = read.choice(CK_CHANNELS_LAST);
  p.weight_layout = read.choice(CK_CHANNELS_LAST);
  if (!read.good()) return "the call record holds a number out of range";
  if (p.image_type != p.weight_type || p.image_type != p.accumulator_type || p.image_type != p.feature_type) {
    return "the types of the call record differ";
  }
  if (p.image_channels % p.groups != 0 || p.feature_channels % p.groups != 0) {
    return "groups does not divide the channels";
  }
  const int64_t group_channels = p.image_channels / p.groups;
  if (!product({p.batch, p.image_channels, p.image[0], p.image[1], p.image[2]}, &record->image_length) ||
      !product({p.batch, p.feature_channels, p.features[0], p.features[1], p.features[2]}, &record->feature_length) ||
      !product({p.feature_channels, group_channels, p.kernel[0], p.kernel[1], p.kernel[2]}, &record->weight_length)) {
    return "a size of the call record overflows";
  }
  record->operations = 2.0 * static_cast<double>(record->weight_length) * static_cast<double>(p.batch) *
                       static_cast<double>(p.features[0]) * static_cast<double>(p.features[1]) *
                       static_cast<double>(p.features[2]);
  return decode_call(fields, record);
}

const char* decode_bias_record(const double* fields, BiasRecord* record) {
  Reader read(fields);
  record->layout = static_cast<ck_layout>(read.choice(CK_CHANNELS_LAST));
  record->batch = read.size(0);
  record->channels = read.size(1);
  record->positions = read.size(1);
  if (!read.good()) return "the bias record holds a number out of range";
  if (!product({record->batch, record->channels, record->positions}, &record->length)) {
    return "a size of the bias record overflows";
  }
  return nullptr;
}

}  // namespace convkit
