// kind: out of bounds
// launch: 2 64
// n: 100
// says: [xy]\[1\d\d\], outside of
extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];  // <-
}
