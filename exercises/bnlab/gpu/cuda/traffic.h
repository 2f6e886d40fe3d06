// Counting as the hardware does: the k-th execution of one instruction by the lanes of a warp is one request. A request
// to global memory costs the 32-byte sectors that it touches; one to shared memory is repeated while lanes want
// different words of the same bank (8-byte accesses go by half warps, 16-byte ones by quarters). An access that is less
// aligned than it is large, of a float3 for example, is made of several instructions.
#pragma once
#include <algorithm>
#include <memory>
#include <unordered_map>

#include "runtime.h"

namespace simt {

struct Totals {  // report.py has the same list
  long long load_bytes, store_bytes, load_sectors, store_sectors, load_requests, store_requests;
  long long shared_load_bytes, shared_store_bytes, shared_requests, bank_conflicts, global_atomics;
};

struct Traffic {
  struct Window {  // 64 neighbours: sectors, or words of shared memory with their phase in the highest bits
    uint64_t number, wanted;
  };
  struct Request {  // there are millions of them in a long loop, and few that one window does not hold
    Window first = {0, 0};
    std::unique_ptr<std::vector<Window>> others;

    void add(uint64_t part) {
      const uint64_t number = part >> 6, bit = 1ull << (part & 63);
      if (!first.wanted) first.number = number;
      if (first.number == number) {
        first.wanted |= bit;
        return;
      }
      if (!others) others.reset(new std::vector<Window>());
      for (Window& w : *others)
        if (w.number == number) {
          w.wanted |= bit;
          return;
        }
      others->push_back({number, bit});
    }
    template <class F> void each(F f) const {  // window
      f(first);
      if (others) std::for_each(others->begin(), others->end(), f);
    }
  };
  enum { MANY = 1 << 20 };        // executions that are kept: after so many the lanes are taken not to meet again
  struct Executions {             // of one warp
    std::vector<Request> kept;
    unsigned counted;             // those before
  };
  struct Instruction {            // one address in the program
    bool write, shared;
    std::vector<unsigned> executed;                 // per thread of the resident blocks
    std::vector<Executions> of_warp;
  };
  Totals totals;
  std::unordered_map<uintptr_t, Instruction> instructions;
  uintptr_t last_key;
  Instruction* last;

  void start() { totals = Totals{}, instructions.clear(), last_key = 0; }

  void note(const Fiber& f, const void* pc, int part, uintptr_t offset, int size, bool write, bool shared) {
    uintptr_t key = (uintptr_t)pc << 8 | (part & 255);
    if (key != last_key) last = &instructions[key], last_key = key;
    Instruction& i = *last;
    if (i.executed.empty()) {
      int warps = (block_threads + 31) / 32;
      i.write = write, i.shared = shared;
      i.executed.assign((size_t)resident_blocks * block_threads, 0);
      i.of_warp.resize((size_t)resident_blocks * warps);
    }
    Executions& mine = i.of_warp[(size_t)f.slot * ((block_threads + 31) / 32) + f.warp];
    unsigned turn = i.executed[(size_t)f.slot * block_threads + f.thread]++;
    if (turn >= mine.counted + MANY) count(i, mine);
    Request late;
    const bool kept = turn >= mine.counted;
    if (kept && mine.kept.size() <= turn - mine.counted) mine.kept.resize(turn - mine.counted + 1);
    Request& request = kept ? mine.kept[turn - mine.counted] : late;
    if (shared) {
      uint64_t phase = size <= 4 ? 0 : size <= 8 ? f.lane / 16 : f.lane / 8;
      for (uint64_t word = offset / 4; word <= (offset + size - 1) / 4; ++word) request.add(phase << 62 | word);
    } else {
      for (uint64_t sector = offset / 32; sector <= (offset + size - 1) / 32; ++sector) request.add(sector);
    }
    if (!kept) count(i, late);
  }

  void settle() {  // at the end of a block
    for (auto& item : instructions) {
      for (Executions& warp : item.second.of_warp) count(item.second, warp), warp.counted = 0;
      std::fill(item.second.executed.begin(), item.second.executed.end(), 0);
    }
  }
  void count(const Instruction& i, Executions& warp) {
    for (const Request& request : warp.kept) count(i, request);
    warp.counted += warp.kept.size();
    warp.kept.clear();
  }
  void count(const Instruction& i, const Request& request) {
    if (!i.shared) {
      long long& sectors = i.write ? totals.store_sectors : totals.load_sectors;
      request.each([&](const Window& w) { sectors += __builtin_popcountll(w.wanted); });
      (i.write ? totals.store_requests : totals.load_requests)++;
      return;
    }
    int words[4][32] = {}, worst[4] = {};
    request.each([&](const Window& w) {
      const int phase = (int)(w.number >> 56);
      for (uint64_t left = w.wanted; left; left &= left - 1)
        worst[phase] = std::max(worst[phase], ++words[phase][__builtin_ctzll(left) & 31]);
    });
    for (int extra : worst) totals.bank_conflicts += std::max(0, extra - 1);
    totals.shared_requests++;
  }
};

}  // namespace simt
