// launch: 1 48
extern "C" __global__ void k(const float* x, float* y, int n) {
  unsigned mask = threadIdx.x < 32 ? 0xffffffffu : 0x0000ffffu;
  float a = threadIdx.x < n ? x[threadIdx.x] : 0.f;
  for (int o = 8; o > 0; o /= 2) a += __shfl_down_sync(mask, a, o, 16);
  if (threadIdx.x % 16 == 0) atomicAdd(y + 1, a);
  __syncthreads();
  if (threadIdx.x == 0) y[0] = y[1];
}
