// kind: out of bounds
// says: writes 2147483647 bytes from y\[0\] on, outside of y
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (threadIdx.x == 0) memset(y, 0, ((size_t)1 << 32) + 4 * n);  // <-
}
