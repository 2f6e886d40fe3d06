// launch: 2 64
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float one, two, rest[2], /* and */
      last;
  if (threadIdx.x == 0) one = two = rest[0] = rest[1] = last = 0.f;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(i % 2 ? &one : i % 3 ? &two : &rest[1], x[i]);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(y, one + two + rest[0] + rest[1] + last);
}
