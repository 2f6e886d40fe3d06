// kind: out of bounds
// says: outside of x
extern "C" __global__ void k(const float* x, float* y, int n) {
  y[threadIdx.x] = x[threadIdx.x * n];  // <-
}
