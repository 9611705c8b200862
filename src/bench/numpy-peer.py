"""Step metadata as vLLM V1 builds it with numpy, timed on request.

Reads one JSON case a line: {"name", "milliseconds", "batch"}, of which the batch may be left out once it was given. A batch is {"kind":
"slots" | "table" | "append", "queryLens", "blockSize", "maxBlocks"} or {"kind": "stream" | "replace", "stream"}. Answers {"name", "ns"}: the
mean time of one step. {"name", "batch", "check": N} takes N steps instead and answers {"name", "states"}: after each, request, slots and
blocks of every row. Source: vLLM's GPUModelRunner._prepare_inputs and BlockTable.compute_slot_mapping.
"""

import json
import sys
import time

import numpy as np
from input_batch import ReplacePeer, StreamPeer


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
STREAM_KINDS = {"stream": StreamPeer, "replace": ReplacePeer}


def make(batch):
    kind = batch["kind"]
    if kind in STREAM_KINDS:
        return STREAM_KINDS[kind](batch["stream"])
    return KINDS[kind](batch["queryLens"], batch["blockSize"], batch["maxBlocks"])


def measure(batch, milliseconds):
    spent = 0
    count = 0
    while True:
        if getattr(batch, "left", 1) == 0:
            batch.restart()
        start = time.perf_counter_ns()
        batch.step()
        spent += time.perf_counter_ns() - start
        count += 1
        if spent >= milliseconds * 1e6:
            return spent / count


def states(batch, steps):
    taken = []
    for _ in range(steps):
        batch.step()
        taken.append(batch.state())
    return taken


def main():
    batches = {}
    for line in sys.stdin:
        case = json.loads(line)
        name = case["name"]
        if "check" in case:
            answer = {"states": states(make(case["batch"]), case["check"])}
        else:
            if name not in batches:
                batches[name] = make(case["batch"])
                batches[name].step()
            answer = {"ns": measure(batches[name], case["milliseconds"])}
        print(json.dumps({"name": name, **answer}), flush=True)


main()
