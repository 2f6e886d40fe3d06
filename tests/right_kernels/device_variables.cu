// launch: 4 32
__device__ unsigned int arrived = 0;
__device__ volatile float parts[4];
__device__ float scaled(float v);
struct pair_of { float a, b; };
__device__ pair_of limits = {-1e30f, 1e30f}, *nobody;
__device__ float scaled(float v) { return fminf(fmaxf(v, limits.a), limits.b) + (nobody ? 1.f : 0.f); }
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ bool last;
  float a = 0.f;
  for (int i = blockIdx.x * 32 + threadIdx.x; i < n; i += 128) a += scaled(x[i]);
  for (int o = 16; o > 0; o /= 2) a += __shfl_down_sync(0xffffffff, a, o);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = a;
    __threadfence();
    last = atomicInc(&arrived, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0.f;
    for (int b = 0; b < 4; ++b) sum += parts[b];
    y[0] = sum;
  }
}
