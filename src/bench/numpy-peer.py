"""Step metadata as vLLM V1 builds it with numpy, timed on request.

Reads one JSON case a line: {"name", "kind": "slots" | "table" | "append", "queryLens", "blockSize", "maxBlocks", "milliseconds"}; answers
{"name", "ns"}: the mean time of one step. Source: vLLM's GPUModelRunner._prepare_inputs and BlockTable.compute_slot_mapping.
"""

import json
import sys
import time

import numpy as np


class Slots:
    """Positions, sequence lengths and slots of one batch."""

    def __init__(self, query_lens, block_size, max_blocks):
        self.num_scheduled = np.asarray(query_lens, dtype=np.int32)
        self.block_size = block_size
        self.max_blocks = max_blocks
        requests = len(query_lens)
        total = int(self.num_scheduled.sum())
        longest = int(self.num_scheduled.max())
        room = max(max_blocks * block_size - longest, 1)
        rng = np.random.default_rng(7)
        self.num_computed = rng.integers(0, room, requests, dtype=np.int32)
        self.table = rng.integers(1, 1 << 20, (requests, max_blocks), dtype=np.int32)
        self.arange = np.arange(max(total, requests) + 1, dtype=np.int64)
        self.positions = np.zeros(total, dtype=np.int64)
        self.slot_mapping = np.zeros(total, dtype=np.int64)
        self.seq_lens = np.zeros(requests, dtype=np.int32)
        self.query_start_loc = np.zeros(requests + 1, dtype=np.int32)

    def step(self):
        requests = len(self.num_scheduled)
        req_indices = np.repeat(self.arange[:requests], self.num_scheduled)
        cumulative = np.cumsum(self.num_scheduled)
        total = int(cumulative[-1])
        offsets = np.repeat(cumulative - self.num_scheduled, self.num_scheduled)
        arange = self.arange[:total] - offsets
        np.add(self.num_computed[req_indices], arange, out=self.positions)
        indices = req_indices * self.max_blocks + self.positions // self.block_size
        block_numbers = self.table.ravel()[indices]
        block_offsets = self.positions % self.block_size
        np.add(block_numbers * self.block_size, block_offsets, out=self.slot_mapping)
        self.query_start_loc[1 : requests + 1] = cumulative
        np.add(self.num_computed, self.num_scheduled, out=self.seq_lens)


class Table:
    """Rows of a padded block table, rewritten from lists of blocks."""

    def __init__(self, query_lens, _block_size, max_blocks):
        rng = np.random.default_rng(7)
        self.rows = [rng.integers(1, 1 << 20, count, dtype=np.int32) for count in query_lens]
        self.table = np.zeros((len(query_lens), max_blocks), dtype=np.int32)

    def step(self):
        for index, blocks in enumerate(self.rows):
            self.table[index, : len(blocks)] = blocks
            self.table[index, len(blocks) :] = 0


class Append:
    """One row in block_size of a padded block table gets its next block, as in a steady step."""

    def __init__(self, query_lens, block_size, max_blocks):
        self.num_blocks = np.asarray(query_lens, dtype=np.int32)
        self.start = self.num_blocks.copy()
        self.table = np.zeros((len(query_lens), max_blocks), dtype=np.int32)
        self.share = max(len(query_lens) // block_size, 1)
        self.first = 0

    def step(self):
        for row in range(self.first, self.first + self.share):
            blocks = [row + 1]
            start = self.num_blocks[row]
            self.num_blocks[row] += len(blocks)
            self.table[row, start : start + len(blocks)] = blocks
        self.first += self.share
        if self.first + self.share > len(self.num_blocks):
            self.first = 0
            self.num_blocks[:] = self.start


KINDS = {"slots": Slots, "table": Table, "append": Append}


def measure(batch, milliseconds):
    end = time.perf_counter_ns() + int(milliseconds * 1e6)
    start = time.perf_counter_ns()
    count = 0
    while True:
        batch.step()
        count += 1
        now = time.perf_counter_ns()
        if now >= end:
            return (now - start) / count


def main():
    batches = {}
    for line in sys.stdin:
        case = json.loads(line)
        name = case["name"]
        if name not in batches:
            batches[name] = KINDS[case["kind"]](case["queryLens"], case["blockSize"], case["maxBlocks"])
            batches[name].step()
        print(json.dumps({"name": name, "ns": measure(batches[name], case["milliseconds"])}), flush=True)


main()
