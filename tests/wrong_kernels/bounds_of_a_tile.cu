// kind: out of bounds
// says: writes tile\[8\]\[\d+\], outside of the shared variable tile of 8 x 33 elements
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float tile[8][33];
  tile[threadIdx.x / 32 + 7][threadIdx.x % 32] = x[threadIdx.x];  // <-
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x / 32][threadIdx.x % 32];
}
