// launch: 2 64
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;
extern "C" __global__ void k(const float* x, float* y, int n) {
  auto tile = cg::tiled_partition<16>(cg::this_thread_block());
  float v = 0.f;
  for (int i = blockIdx.x * 64 + threadIdx.x; i < n; i += 128) v += x[i];
  float sum = cg::reduce(tile, v > 0.f ? v : 0.f, cg::plus<float>());
  if (tile.thread_rank() == 3) atomicAdd(&y[0], sum);
  if (v <= 0.f) {
    auto together = cg::coalesced_threads();
    float rest = cg::reduce(together, v, cg::plus<float>());
    float again = 0.f;
    for (int i = 0; i < together.size(); ++i) again += together.shfl(v, i);
    if (together.thread_rank() == 0) atomicAdd(&y[0], (rest + again) / 2);
  }
}
