// kind: warp
// says: never come: they wait at line \d+
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = x[threadIdx.x];
  if (threadIdx.x % 32 < 16) a += __shfl_down_sync(0xffffffff, a, 8);  // <-
  __syncthreads();
  y[threadIdx.x] = a;
}
