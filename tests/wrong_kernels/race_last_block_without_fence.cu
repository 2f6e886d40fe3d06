// kind: race
// launch: 4 32
// zero: 40
// says: __threadfence\(\)
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    y[1 + blockIdx.x] = x[blockIdx.x];  // <-
    last = atomicAdd((unsigned*)y + 40, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0;
    for (int b = 0; b < gridDim.x; ++b) sum += y[1 + b];  // <-
    y[0] = sum;
  }
}
