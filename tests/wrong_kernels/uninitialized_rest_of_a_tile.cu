// kind: uninitialized
// n: 50
// says: s\[[56]\d\] of shared memory
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  int t = threadIdx.x;
  if (t < n) s[t] = x[t];
  __syncthreads();
  for (int o = 32; o > 0; o >>= 1) {
    if (t < o) s[t] += s[t + o];  // <-
    __syncthreads();
  }
  if (t == 0) y[0] = s[0];
}
