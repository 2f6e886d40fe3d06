// kind: race|uninitialized
// launch: 1 32
// says: __syncwarp|no thread of this block has written
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[32];
  s[threadIdx.x] = x[threadIdx.x];  // <-
  y[threadIdx.x] = s[31 - threadIdx.x];  // <-
}
