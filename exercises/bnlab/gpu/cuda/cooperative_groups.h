// Cooperative groups: the block, the grid, and tiles of a warp.
#pragma once

namespace cooperative_groups {
struct thread_block {
  void sync(int line = __builtin_LINE()) const { simt_barrier(line); }
  unsigned thread_rank() const {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }
  unsigned size() const { return blockDim.x * blockDim.y * blockDim.z; }
  unsigned num_threads() const { return size(); }
  dim3 group_index() const { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
  dim3 thread_index() const { return dim3(threadIdx.x, threadIdx.y, threadIdx.z); }
};
static inline thread_block this_thread_block() { return {}; }

struct grid_group {
  void sync(int line = __builtin_LINE()) const { simt_grid_barrier(line); }
  bool is_valid() const { return true; }
  unsigned long long block_rank() const { return blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z); }
  unsigned long long num_blocks() const { return (unsigned long long)gridDim.x * gridDim.y * gridDim.z; }
  unsigned long long thread_rank() const {
    return block_rank() * this_thread_block().size() + this_thread_block().thread_rank();
  }
  unsigned long long size() const { return num_blocks() * this_thread_block().size(); }
  unsigned long long num_threads() const { return size(); }
};
static inline grid_group this_grid() { return {}; }

template <unsigned N, class Parent = thread_block> struct thread_block_tile {
  static_assert(N == 1 || N == 2 || N == 4 || N == 8 || N == 16 || N == 32, "a tile has 1, 2, 4, 8, 16 or 32 threads");
  unsigned mask() const { return N == 32 ? 0xffffffffu : ((1u << (N & 31)) - 1) << (simt_lane() & ~(N - 1)); }
  void sync(int line = __builtin_LINE()) const { __syncwarp(mask(), line); }
  unsigned thread_rank() const { return simt_lane() & (N - 1); }
  unsigned meta_group_rank() const { return this_thread_block().thread_rank() / N; }
  unsigned meta_group_size() const { return (this_thread_block().size() + N - 1) / N; }
  static constexpr unsigned size() { return N; }
  static constexpr unsigned num_threads() { return N; }
  template <class T> T shfl(T v, int lane, int line = __builtin_LINE()) const {
    return __shfl_sync(mask(), v, lane, N, line);
  }
  template <class T> T shfl_down(T v, int by, int line = __builtin_LINE()) const {
    return __shfl_down_sync(mask(), v, by, N, line);
  }
  template <class T> T shfl_up(T v, int by, int line = __builtin_LINE()) const {
    return __shfl_up_sync(mask(), v, by, N, line);
  }
  template <class T> T shfl_xor(T v, int bits, int line = __builtin_LINE()) const {
    return __shfl_xor_sync(mask(), v, bits, N, line);
  }
  int any(int p, int line = __builtin_LINE()) const { return __any_sync(mask(), p, line); }
  int all(int p, int line = __builtin_LINE()) const { return __all_sync(mask(), p, line); }
  unsigned ballot(int p, int line = __builtin_LINE()) const {
    return __ballot_sync(mask(), p, line) >> (simt_lane() & ~(N - 1));
  }
};
template <unsigned N, class Parent> static inline thread_block_tile<N> tiled_partition(const Parent&) { return {}; }
template <class Group> static inline void sync(const Group& group, int line = __builtin_LINE()) { group.sync(line); }
}  // namespace cooperative_groups
