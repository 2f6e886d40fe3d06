// kind: illegal address
// says: integer division by zero
extern "C" __global__ void k(const float* x, float* y, int n) {
  y[threadIdx.x] = 100 / (n - 64 + (int)threadIdx.x * 0);  // <-
}
