// kind: barrier
// says: 32 of 64 threads of the block wait
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (threadIdx.x < 32) {
    y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();  // <-
  }
}
