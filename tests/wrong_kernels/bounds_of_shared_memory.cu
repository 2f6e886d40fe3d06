// kind: out of bounds
// says: reads s\[\d+\], outside of the shared variable s of 64 elements
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  __shared__ float other[64];
  s[threadIdx.x] = other[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x + 1];  // <-
}
