# The files of the core and of its tests, for the CMakeLists.txt at the root. Only the files of the
# ISA lists may be built with ISA flags, and all of the core is built with
#   -fno-exceptions -fno-rtti -ffp-contract=off
# The kernel files are empty on other architectures, so one list serves all of them.
set(CONVKIT_CORE_DIR ${CMAKE_CURRENT_LIST_DIR})

set(CONVKIT_CORE_SOURCES
    ${CONVKIT_CORE_DIR}/convkit.cpp
    ${CONVKIT_CORE_DIR}/conv/adjoint.cpp
    ${CONVKIT_CORE_DIR}/conv/bias_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_copy.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_geometry.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_last.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_last_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_last_rows.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_phases.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_rows.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_blocks.cpp
    ${CONVKIT_CORE_DIR}/conv/direct.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_bands.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_boxes.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_copy.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_form.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_geometry.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_gradient_copy.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_gradient_form.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_rows.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_shape.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_store.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_unit.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_weights.cpp
    ${CONVKIT_CORE_DIR}/conv/few_pixels.cpp
    ${CONVKIT_CORE_DIR}/conv/few_pixels_first.cpp
    ${CONVKIT_CORE_DIR}/conv/few_pixels_forward.cpp
    ${CONVKIT_CORE_DIR}/conv/few_pixels_last.cpp
    ${CONVKIT_CORE_DIR}/conv/fft.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_dense.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_depthwise.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_form.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_gradient_depthwise.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_lanes.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_tables.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_weights.cpp
    ${CONVKIT_CORE_DIR}/conv/forward.cpp
    ${CONVKIT_CORE_DIR}/conv/im2col.cpp
    ${CONVKIT_CORE_DIR}/conv/padding_repair.cpp
    ${CONVKIT_CORE_DIR}/conv/plan.cpp
    ${CONVKIT_CORE_DIR}/conv/problem.cpp
    ${CONVKIT_CORE_DIR}/conv/taps.cpp
    ${CONVKIT_CORE_DIR}/conv/weight_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd_cost.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd_data.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd_form.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd_result.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd_weights.cpp
    ${CONVKIT_CORE_DIR}/cpu/dispatch.cpp
    ${CONVKIT_CORE_DIR}/cpu/features.cpp
    ${CONVKIT_CORE_DIR}/gemm/gemm.cpp
    ${CONVKIT_CORE_DIR}/gemm/move_block.cpp
    ${CONVKIT_CORE_DIR}/gemm/pack_matrix.cpp
    ${CONVKIT_CORE_DIR}/gemm/pack_patches.cpp
    ${CONVKIT_CORE_DIR}/gemm/scatter_patches.cpp
    ${CONVKIT_CORE_DIR}/kernels/neon.cpp
    ${CONVKIT_CORE_DIR}/kernels/portable.cpp)

# Of these, the ones that run once for thousands of multiply-adds, and so may be as small as can be: all but the kernels,
set(CONVKIT_CORE_SOURCES_CONTROL ${CONVKIT_CORE_SOURCES})
list(FILTER CONVKIT_CORE_SOURCES_CONTROL EXCLUDE REGEX "/core/kernels/[^/]+$")
# and but those that move every element of a call's data, or run once for a few of them.
set(CONVKIT_CORE_SOURCES_COPIES
    ${CONVKIT_CORE_DIR}/conv/depthwise_copy.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_gradient.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_last_rows.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_rows.cpp
    ${CONVKIT_CORE_DIR}/conv/depthwise_blocks.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_copy.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_gradient_copy.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_store.cpp
    ${CONVKIT_CORE_DIR}/conv/direct_weights.cpp
    ${CONVKIT_CORE_DIR}/conv/fft_lanes.cpp
    ${CONVKIT_CORE_DIR}/conv/winograd_weights.cpp
    ${CONVKIT_CORE_DIR}/gemm/move_block.cpp
    ${CONVKIT_CORE_DIR}/gemm/pack_matrix.cpp)
list(REMOVE_ITEM CONVKIT_CORE_SOURCES_CONTROL ${CONVKIT_CORE_SOURCES_COPIES})

# -mavx2 -mfma (MSVC: /arch:AVX2), on x86-64 only
set(CONVKIT_CORE_SOURCES_AVX2 ${CONVKIT_CORE_DIR}/kernels/avx2.cpp)

# -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512 (MSVC: /arch:AVX512), on x86-64 only
set(CONVKIT_CORE_SOURCES_AVX512 ${CONVKIT_CORE_DIR}/kernels/avx512.cpp)

set(CONVKIT_TEST_DIR ${CONVKIT_CORE_DIR}/../test)

set(CONVKIT_TEST_SOURCES
    ${CONVKIT_TEST_DIR}/activation_test.cpp
    ${CONVKIT_TEST_DIR}/algorithm_test.cpp
    ${CONVKIT_TEST_DIR}/compare.cpp
    ${CONVKIT_TEST_DIR}/determinism_test.cpp
    ${CONVKIT_TEST_DIR}/failure_test.cpp
    ${CONVKIT_TEST_DIR}/fft_test.cpp
    ${CONVKIT_TEST_DIR}/float_environment_test.cpp
    ${CONVKIT_TEST_DIR}/main.cpp
    ${CONVKIT_TEST_DIR}/nonfinite.cpp
    ${CONVKIT_TEST_DIR}/nonfinite_test.cpp
    ${CONVKIT_TEST_DIR}/pass_test.cpp
    ${CONVKIT_TEST_DIR}/problems.cpp
    ${CONVKIT_TEST_DIR}/tile_test.cpp
    ${CONVKIT_TEST_DIR}/winograd_test.cpp
    ${CONVKIT_TEST_DIR}/workspace_test.cpp)
