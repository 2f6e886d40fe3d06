// kind: race
// says: writes s\[\d+\], which thread \d+ of the same block wrote at line 5
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  memset(s, 0, sizeof s);  // <-
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}
