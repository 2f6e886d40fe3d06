// kind: barrier
// n: 100
// says: divergent barrier
extern "C" __global__ void k(const float* x, float* y, int n) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    y[i] = x[i];
    __syncthreads();  // <-
  }
}
