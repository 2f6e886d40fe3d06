// launch: 4 32
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ bool last;
  float a = 0.f;
  for (int i = blockIdx.x * 32 + threadIdx.x; i < n; i += 128) a += x[i];
  for (int o = 16; o > 0; o /= 2) a += __shfl_down_sync(0xffffffff, a, o);
  if (threadIdx.x == 0) {
    y[8 + blockIdx.x] = a;
    __threadfence();
    last = atomicInc((unsigned*)y + 1, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0.f;
    for (int b = 0; b < 4; ++b) sum += y[8 + b];
    y[0] = sum;
  }
}
