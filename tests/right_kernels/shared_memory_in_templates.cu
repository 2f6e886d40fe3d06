// launch: 3 64
template <class T> __inline__ __device__ T sum_of_warp(T a) {
  for (int o = warpSize / 2; o > 0; o /= 2) a += __shfl_down_sync(0xffffffffu, a, o);
  return a;
}
template <class T, int WARPS> __inline__ __device__ T sum_of_block(T a) {
  static __shared__ T parts[WARPS], all;
  int lane = threadIdx.x % warpSize, warp = threadIdx.x / warpSize;
  a = sum_of_warp(a);
  if (lane == 0) parts[warp] = a;
  __syncthreads();
  a = threadIdx.x < WARPS ? parts[lane] : T(0);
  if (warp == 0) a = sum_of_warp(a);
  if (threadIdx.x == 0) all = a;
  __syncthreads();
  a = all;
  __syncthreads();  // the next call writes there
  return a;
}
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = 0.f;
  for (int i = blockIdx.x * 64 + threadIdx.x; i < n; i += 192) a += x[i];
  float sum = sum_of_block<float, 2>(a / 2) + sum_of_block<float, 2>(a / 4);
  double rest = sum_of_block<double, 2>(a / 4.);
  if (threadIdx.x == 0) atomicAdd(&y[0], sum + (float)rest);
}
