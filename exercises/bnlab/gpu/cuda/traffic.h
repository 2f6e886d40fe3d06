// Counting as the hardware does: the k-th execution of one instruction by the lanes of a warp is one request. A request
// to global memory costs the 32-byte sectors that it touches; one to shared memory is repeated while lanes want
// different words of the same bank (8-byte accesses go by half warps, 16-byte ones by quarters). An access that is less
// aligned than it is large, of a float3 for example, is made of several instructions.
#pragma once
#include <algorithm>
#include <unordered_map>

#include "runtime.h"

namespace simt {

struct Totals {  // report.py has the same list
  long long load_bytes, store_bytes, load_sectors, store_sectors, load_requests, store_requests;
  long long shared_load_bytes, shared_store_bytes, shared_requests, bank_conflicts, global_atomics;
};

struct Traffic {
  struct Request {
    std::vector<uint64_t> parts;  // sectors, or phase and word of shared memory
  };
  struct Instruction {            // one address in the program
    bool write, shared;
    std::vector<unsigned> executed;                 // per thread of the resident blocks
    std::vector<std::vector<Request>> of_warp;      // [warp][execution]
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
    auto& requests = i.of_warp[(size_t)f.slot * ((block_threads + 31) / 32) + f.warp];
    unsigned turn = i.executed[(size_t)f.slot * block_threads + f.thread]++;
    if (requests.size() <= turn) requests.resize(turn + 1);
    auto& parts = requests[turn].parts;
    if (shared) {
      uint64_t phase = size <= 4 ? 0 : size <= 8 ? f.lane / 16 : f.lane / 8;
      for (uint64_t word = offset / 4; word <= (offset + size - 1) / 4; ++word) add(parts, phase << 62 | word);
    } else {
      for (uint64_t sector = offset / 32; sector <= (offset + size - 1) / 32; ++sector) add(parts, sector);
    }
  }
  static void add(std::vector<uint64_t>& parts, uint64_t part) {
    if (!parts.empty() && parts.back() == part) return;
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
  }

  void settle() {  // at the end of a block
    for (auto& item : instructions) {
      for (auto& requests : item.second.of_warp) {
        for (auto& request : requests) count(item.second, request.parts);
        requests.clear();
      }
      std::fill(item.second.executed.begin(), item.second.executed.end(), 0);
    }
  }
  void count(const Instruction& i, const std::vector<uint64_t>& parts) {
    if (!i.shared) {
      (i.write ? totals.store_sectors : totals.load_sectors) += parts.size();
      (i.write ? totals.store_requests : totals.load_requests)++;
      return;
    }
    int words[4][32] = {}, worst[4] = {};
    for (uint64_t part : parts) {
      int phase = part >> 62;
      worst[phase] = std::max(worst[phase], ++words[phase][part & 31]);
    }
    for (int extra : worst) totals.bank_conflicts += std::max(0, extra - 1);
    totals.shared_requests++;
  }
};

}  // namespace simt
