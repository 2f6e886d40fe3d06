// kind: misaligned
// launch: 2 8
// n: 98
// says: accesses 16 bytes at x\[\d+\]
extern "C" __global__ void k(const float* x, float* y, int n) {
  const float4* row = (const float4*)(x + 49 * blockIdx.x);
  float4 v = row[threadIdx.x];  // <-
  y[threadIdx.x + 8 * blockIdx.x] = v.x + v.y + v.z + v.w;
}
