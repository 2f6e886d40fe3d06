// launch: 1 64
// since: sm_80
extern "C" __global__ void k(const float* x, float* y, int n) {
  int t = threadIdx.x, lane = t % 32;
  bool right = __reduce_add_sync(0xffffffffu, lane - 16) == -16 && __reduce_min_sync(0xffffffffu, lane - 16) == -16 &&
               __reduce_max_sync(0xffffffffu, lane - 16) == 15 && __reduce_max_sync(0xffffffffu, (unsigned)lane) == 31 &&
               __reduce_or_sync(0xffffffffu, 1u << lane) == 0xffffffffu && __reduce_and_sync(0xffffffffu, 6u + lane % 2) == 6 &&
               __reduce_xor_sync(0xffffffffu, (unsigned)lane) == 0;
  if (right && t < n) atomicAdd(&y[0], x[t]);
}
