// kind: race
// says: wrote
#include <cuda_fp16.h>
extern "C" __global__ void k(const float* x, float* y, int n) {
  __half* h = (__half*)y;
  h[threadIdx.x / 2] = __float2half(x[threadIdx.x]);  // <-
}
