// kind: misaligned
// says: accesses 4 bytes
#include <cuda_fp16.h>
extern "C" __global__ void k(const float* x, float* y, int n) {
  const __half* h = (const __half*)x;
  if (threadIdx.x < 16) y[threadIdx.x] = __low2float(*(const __half2*)(h + 2 * threadIdx.x + 1));  // <-
}
