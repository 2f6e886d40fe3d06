// kind: race
// says: found, which thread \d+ of block \d+ (wrote|read)
// launch: 4 32
__device__ float found;
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (threadIdx.x == 0) found = x[blockIdx.x];  // <-
  if (threadIdx.x == 0) y[blockIdx.x] = found;  // <-
}
