// kind: barrier
// n: 40
// says: others have returned and never reach it
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (threadIdx.x >= n) return;
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();  // <-
  y[threadIdx.x] = s[n - 1 - threadIdx.x];
}
