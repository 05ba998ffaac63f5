// The call record: everything about a call that is a number, as lib/node/record.ts writes it into one Float64Array.
// Reading one typed array costs a fraction of reading thirty properties, and its bytes are the key of the plan cache.
//
//   index   field                     index   field
//   0 - 3   types: image, weight,     23 - 25 padBegin
//           accumulator, feature      26      paddingMode
//   4       batch                     27      flipKernel
//   5       groups                    28      layout
//   6       imageChannels             29      weightLayout
//   7       featureChannels           ------- ck_problem ends here
//   8 - 10  image                     30      pass
//   11 - 13 kernel                    31      algorithm (its index; -1: the planner's choice)
//   14 - 16 features                  ------- the plan's key ends here
//   17 - 19 stride                    32      activation
//   20 - 22 dilation                  33, 34  its parameters a and b
#ifndef CONVKIT_ADDON_RECORD_H
#define CONVKIT_ADDON_RECORD_H

#include <cstddef>
#include <cstdint>

#include "../core/convkit.h"

namespace convkit {

constexpr size_t kProblemFields = 30;
constexpr size_t kKeyFields = 32;
constexpr size_t kRecordFields = 35;

struct CallRecord {
  ck_problem problem;
  ck_pass pass;
  int32_t algorithm;  // -1 or an index of ck_algorithm_name
  int32_t activation;
  double a, b;

  // What follows from the above, in elements.
  int64_t image_length, feature_length, weight_length;
  double operations;  // 2 x multiply-adds

  // The operands of the pass: forward (image, weights), adjoint (features, weights), gradient (image, features).
  int64_t first_length() const { return pass == CK_ADJOINT ? feature_length : image_length; }
  int64_t second_length() const { return pass == CK_WEIGHT_GRADIENT ? feature_length : weight_length; }
  int64_t out_length() const;
  int64_t out_channels() const { return pass == CK_FORWARD ? problem.feature_channels : problem.image_channels; }
};

// Decodes kRecordFields numbers. Null on success, else what is wrong with them.
const char* decode_record(const double* fields, CallRecord* record);

// Decodes the fields after the problem alone (for prepared weights, whose problem is not known yet).
const char* decode_call(const double* fields, CallRecord* record);

struct BiasRecord {
  ck_layout layout;
  int64_t batch, channels, positions, length;
};
constexpr size_t kBiasFields = 4;

const char* decode_bias_record(const double* fields, BiasRecord* record);

}  // namespace convkit
#endif
