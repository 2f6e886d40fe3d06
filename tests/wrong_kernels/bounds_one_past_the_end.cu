// kind: out of bounds
// says: reads x\[64\], outside of x, which has 64 elements
extern "C" __global__ void k(const float* x, float* y, int n) {
  for (int i = threadIdx.x; i <= n; i += blockDim.x) y[i % n] = x[i];  // <-
}
