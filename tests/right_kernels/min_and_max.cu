// launch: 1 32
union four { float4 all; float one[4]; };
extern "C" __global__ void k(const float* x, float* y, int n) {
  const int t = threadIdx.x;
  const float nan = __int_as_float(0x7fffffff);
  const bool pairs = min(1, -2) == -2 && max(1, 2u) == 2u && max(1ull, 2ll) == 2ull && min(1.f, 2.) == 1.;
  const bool numbers = max(nan, 1.f) == 1.f && min(1.f, nan) == 1.f && fmaxf(nan, 1.f) == 1.f;
  float sum = pairs && numbers ? 0.f : 1e9f;
  for (int i = t; i < n; i += warpSize) sum += min(x[i], 1e8f);
  four whole;
  whole.all = {sum, 0.f, (float)t, 0.f};
  float v = whole.one[0];
  for (int far = 16; far > 0; far /= 2) v += __shfl_down_sync(0xffffffffu, v, far);
  if (t == 0) y[0] = max(v, -1e8f) + 0 * min(blockDim.x, n);
}
