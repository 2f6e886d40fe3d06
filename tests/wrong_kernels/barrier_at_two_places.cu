// kind: barrier
// says: divergent barrier: some threads.*line \d+, others at that of line
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (threadIdx.x % 2) {
    __syncthreads();  // <-
  } else {
    __syncthreads();  // <-
  }
  y[threadIdx.x] = x[threadIdx.x];
}
