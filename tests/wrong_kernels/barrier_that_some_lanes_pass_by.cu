// kind: warp
// says: which never come: they wait at line 7; name only lanes that reach this line, or let all threads reach that barrier
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  const int t = threadIdx.x;
  s[t] = x[t];
  if (t < 40) __syncthreads();
  float v = s[t];
  v += __shfl_xor_sync(0xffffffffu, v, 1);  // <-
  if (t == 0) y[0] = v;
}
