// Which access happened before which. Barriers order all threads of a block, warp primitives the lanes that took part,
// a grid barrier everybody. Between blocks there is one more way: a fence, then an atomic or volatile store (release),
// which another thread reads by an atomic or volatile load (acquire).
#pragma once
#include <unordered_map>

#include "runtime.h"

namespace simt {

struct Knowledge {  // up to which time the work of blocks and threads, and the atomics at an address, are known
  std::unordered_map<int, Time> blocks, threads;
  std::unordered_map<uintptr_t, Time> places;

  template <class K> static void later(std::unordered_map<K, Time>& map, K key, Time time) {
    Time& old = map[key];
    if (old < time) old = time;
  }
  void join(const Knowledge& other) {
    for (auto& item : other.blocks) later(blocks, item.first, item.second);
    for (auto& item : other.threads) later(threads, item.first, item.second);
    for (auto& item : other.places) later(places, item.first, item.second);
  }
  template <class K> static bool covers(const std::unordered_map<K, Time>& map, K key, Time time) {
    auto found = map.find(key);
    return found != map.end() && found->second >= time;
  }
};

struct Access {  // 0 is an empty one
  Time time;
  const void* pc;
  int who;       // thread in the grid
  int atomic;
};

struct Order {
  Time now = 0, grid = 0;
  std::vector<Time> barrier;         // of each resident slot
  std::vector<Knowledge> block;      // what all threads of a slot know of other blocks
  std::vector<Knowledge> fenced;     // what threads of a slot had fenced before its last barrier
  std::unordered_map<uintptr_t, Knowledge> released;

  void start(int slots) {
    now = 1, grid = 0;
    barrier.assign(slots, 0), block.assign(slots, {}), fenced.assign(slots, {});
    released.clear();
  }

  static int id(const Fiber& f) { return f.block * block_threads + f.thread; }
  static Knowledge& own(Fiber& f) {
    if (!f.known) f.known.reset(new Knowledge());
    return *f.known;
  }

  bool before(const Access& a, Fiber& me, uintptr_t place) {
    int other = a.who / block_threads, thread = a.who % block_threads;
    if (a.who == id(me) || a.time <= grid) return true;
    if (other == me.block) {
      if (a.time <= barrier[me.slot]) return true;
      if (thread / 32 == me.warp && a.time <= me.seen[thread % 32]) return true;
    }
    return knows(block[me.slot], a, other, place) || (me.known && knows(*me.known, a, other, place));
  }
  static bool knows(const Knowledge& k, const Access& a, int block, uintptr_t place) {
    return Knowledge::covers(k.blocks, block, a.time) || Knowledge::covers(k.threads, a.who, a.time) ||
           (a.atomic && Knowledge::covers(k.places, place, a.time));
  }

  void at_barrier(int slot) {
    Time last = barrier[slot];
    barrier[slot] = ++now;
    for (int t = 0; t < block_threads; ++t) {
      Fiber& f = peer(slot, t);
      if (f.fence > last) fenced[slot].threads[id(f)] = f.fence;
      if (f.known) block[slot].join(*f.known), f.known.reset();
    }
  }
  void at_warp(int slot, int warp, unsigned lanes) {
    Time joined[32] = {};
    std::unique_ptr<Knowledge> shared;
    ++now;
    for (int lane = 0; lane < 32; ++lane) {
      if (!(lanes >> lane & 1)) continue;
      Fiber& f = peer(slot, warp * 32 + lane);
      for (int k = 0; k < 32; ++k)
        if (f.seen[k] > joined[k]) joined[k] = f.seen[k];
      joined[lane] = now;
      if (f.known && !shared) shared.reset(new Knowledge());
      if (f.known) shared->join(*f.known);
    }
    for (int lane = 0; lane < 32; ++lane) {
      if (!(lanes >> lane & 1)) continue;
      Fiber& f = peer(slot, warp * 32 + lane);
      for (int k = 0; k < 32; ++k) f.seen[k] = joined[k];
      if (shared) own(f) = *shared;
    }
  }
  void at_grid() { grid = ++now; }

  void at_fence(Fiber& f) { f.fence = ++now, f.fence_barrier = barrier[f.slot]; }
  void acquire(Fiber& f, uintptr_t place) {
    auto found = released.find(place);
    if (found != released.end()) own(f).join(found->second);
    own(f).places[place] = ++now;
  }
  void release(Fiber& f, uintptr_t place) {
    Knowledge& to = released[place];
    to.places[place] = ++now;
    if (!f.fence) return;
    Knowledge::later(to.threads, id(f), f.fence);
    if (f.fence_barrier) Knowledge::later(to.blocks, f.block, f.fence_barrier);
    to.join(fenced[f.slot]), to.join(block[f.slot]);
    if (f.known) to.join(*f.known);
  }
};

}  // namespace simt
