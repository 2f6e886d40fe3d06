// launch: 1 64
extern "C" __global__ void k(const float* x, float* y, int n) {
  bool inside = threadIdx.x < n;
  unsigned votes = __ballot_sync(0xffffffff, inside);
  int count = __syncthreads_count(inside);
  float a = inside ? x[threadIdx.x] : 0.f;
  if (__any_sync(0xffffffff, inside))
    for (int o = 16; o > 0; o /= 2) a += __shfl_xor_sync(0xffffffff, a, o);
  if (threadIdx.x % 32 == 0 && __popc(votes) > 0 && count == n) atomicAdd(y, a);
}
