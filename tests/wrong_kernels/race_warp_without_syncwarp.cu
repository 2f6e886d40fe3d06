// kind: race
// says: __syncwarp\(\) or __syncthreads\(\) is missing
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  int t = threadIdx.x;
  s[t] = x[t];
  __syncthreads();
  if (t < 32) s[t] += s[t + 32];
  __syncthreads();
  volatile float* v = s;  // volatile is no barrier since 2017
  if (t < 16) v[t] += v[t + 16];  // <-
  if (t < 8) v[t] += v[t + 8];  // <-
  if (t == 0) y[0] = s[0];
}
