// launch: 1 32
__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }
__device__ __forceinline__ float2 operator+(float2 a, float2 b) { return {a.x + b.x, a.y + b.y}; }
extern "C" __global__ void k(const float* x, float* y, int n) {
  float4 sum = {0}, none{};
  float2 two = {0.f}, corner = {};
  int2 at = {0}, step = {1, 4};
  char4 small = make_char4(0, 1, 2, 3);
  ulonglong2 large = {0ull, 1ull};
  if (threadIdx.x != at.x) return;
  for (int i = 0; i + 3 < n; i += step.y) sum = sum + ((const float4*)x)[i / 4];
  for (int i = n / 4 * 4; i < n; i += small.y) two = two + float2{x[i], 0.f};
  corner = float2{sum.x + sum.y, sum.z + sum.w} + two + float2{none.w, (float)large.x};
  y[0] = corner.x + corner.y;
}
