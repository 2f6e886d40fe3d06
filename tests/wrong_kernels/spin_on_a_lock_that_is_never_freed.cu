// kind: spin
// zero: 0
// says: endless loop
extern "C" __global__ void k(const float* x, float* y, int n) {
  unsigned* lock = (unsigned*)y;
  while (atomicCAS(lock, 0u, 1u) != 0u) {}  // <-
  y[1] += x[threadIdx.x];
}
