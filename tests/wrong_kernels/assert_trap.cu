// kind: assert
// says: __trap
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (threadIdx.x == 5) __trap();  // <-
}
