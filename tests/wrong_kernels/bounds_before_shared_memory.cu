// kind: out of bounds
// says: s\[-\d+\], outside of the shared variable s
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[(int)threadIdx.x - 2];  // <-
}
