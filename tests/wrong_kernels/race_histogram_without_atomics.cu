// kind: race
// says: (reads|writes) bins\[\d\]
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ int bins[4];
  if (threadIdx.x < 4) bins[threadIdx.x] = 0;
  __syncthreads();
  bins[threadIdx.x % 4]++;  // <-
  __syncthreads();
  if (threadIdx.x < 4) y[threadIdx.x] = bins[threadIdx.x];
}
