// kind: out of bounds
// says: one\[64\]
// launch: 1 64
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float one[64], two[64];
  const int t = threadIdx.x;
  two[t] = x[t];
  __syncthreads();
  one[t + 1] = two[t];  // <-
  __syncthreads();
  y[t] = one[t];
}
