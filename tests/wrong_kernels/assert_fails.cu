// kind: assert
// says: assertion `n == 32` failed
extern "C" __global__ void k(const float* x, float* y, int n) {
  assert(n == 32);  // <-
}
