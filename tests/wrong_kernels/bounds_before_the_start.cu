// kind: out of bounds
// says: reads x\[-1\]
extern "C" __global__ void k(const float* x, float* y, int n) {
  y[threadIdx.x] = x[threadIdx.x] - x[(int)threadIdx.x - 1];  // <-
}
