// kind: out of bounds
// launch: 1 256
// says: outside of the shared variable s of 256 elements
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[256];
  s[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x < n) y[threadIdx.x] = s[threadIdx.x * 4 + 700];  // <-
}
