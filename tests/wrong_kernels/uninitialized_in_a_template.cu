// kind: uninitialized
// says: parts\[[23]\] of shared memory
template <class T> __device__ T sum_of_warps(T a) {
  static __shared__ T parts[4];
  for (int o = 16; o > 0; o /= 2) a += __shfl_down_sync(0xffffffffu, a, o);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = a;
  __syncthreads();
  return parts[0] + parts[1] + parts[2] + parts[3];  // <-
}
extern "C" __global__ void k(const float* x, float* y, int n) {
  const float sum = sum_of_warps(x[threadIdx.x]);
  if (threadIdx.x == 0) y[0] = sum;
}
