// kind: out of bounds
// says: writes 260 bytes from y\[0\] on, outside of y, which has 64 elements
extern "C" __global__ void k(const float* x, float* y, int n) {
  float row[80] = {};
  if (threadIdx.x == 0) memcpy(y, row, (n + 1) * sizeof(float));  // <-
}
