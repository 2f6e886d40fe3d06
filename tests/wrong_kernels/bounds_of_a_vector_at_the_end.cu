// kind: out of bounds
// launch: 1 32
// n: 102
// says: reads x\[100\]
extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = threadIdx.x;
  if (4 * i < n) {
    float4 v = ((const float4*)x)[i];  // <-
    y[i] = v.x + v.y + v.z + v.w;
  }
}
