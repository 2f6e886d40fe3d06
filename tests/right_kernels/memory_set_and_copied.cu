// launch: 1 64
// One thread clears shared memory and brings the numbers there, all in one call.
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64], t[64];
  if (threadIdx.x == 0) memset(s, 0, sizeof s);
  __syncthreads();
  if (threadIdx.x == 0) memcpy(s, x, n * sizeof(float));
  __syncthreads();
  if (threadIdx.x == 32) memcpy(t, s, sizeof t);
  __syncthreads();
  atomicAdd(y, t[threadIdx.x]);
}
