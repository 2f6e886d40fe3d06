// kind: limit
// says: too much shared memory: 65536 bytes are declared, 49152 allowed
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[1 << 14];  // <-
  s[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = s[threadIdx.x];
}
