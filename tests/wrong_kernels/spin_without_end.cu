// kind: spin
// says: endless loop
extern "C" __global__ void k(const float* x, float* y, int n) {
  unsigned a = threadIdx.x;
  while (a != 1u) a = a * 2u + (unsigned)(n > 64);  // <-
  y[threadIdx.x] = a;
}
