/* What this CPU and operating system can run. */
#ifndef CONVKIT_CPU_FEATURES_H
#define CONVKIT_CPU_FEATURES_H

namespace convkit {

struct CpuFeatures {
  bool avx2;   /* AVX2 and FMA, registers saved by the system */
  bool avx512; /* F, DQ, BW and VL, registers saved by the system; implies avx2 */
};

CpuFeatures detect_features();

}  // namespace convkit
#endif
