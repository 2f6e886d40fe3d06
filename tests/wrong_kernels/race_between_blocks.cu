// kind: race
// launch: 2 32
// says: blocks run in any order
extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];  // <-
  float other = y[(i + 32) % 64];  // <-
  if (other == 12345.f) y[i] = 0;
}
