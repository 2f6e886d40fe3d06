// launch: 1 32
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = 0.f;
  for (int i = threadIdx.x; i < n / 4; i += 32) {
    const float4 v = __ldg((const float4*)x + i);
    a += (v.x + v.y) + (v.z + v.w);
  }
  for (int i = n / 4 * 4 + threadIdx.x; i < n; i += 32) a += x[i];
  for (int o = 16; o > 0; o /= 2) a += __shfl_xor_sync(0xffffffff, a, o);
  if (threadIdx.x == 0) y[0] = a;
}
