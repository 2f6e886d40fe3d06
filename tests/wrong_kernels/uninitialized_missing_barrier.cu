// kind: uninitialized|race
// says: no thread of this block has written|there is no barrier between
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  int t = threadIdx.x;
  s[t] = x[t];  // <-
  for (int o = 32; o > 0; o >>= 1) {
    if (t < o) s[t] += s[t + o];  // <-
    __syncthreads();
  }
  if (t == 0) y[0] = s[0];
}
