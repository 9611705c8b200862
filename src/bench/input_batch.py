"""A model runner's batch as vLLM V1 keeps it in numpy, and what it does in a step for an event stream: requests that finished or join,
blocks, the batch condensed, and the inputs of the step. Source: vLLM's GPUModelRunner._update_states and _prepare_inputs,
InputBatch.add_request, remove_request and condense, BlockTable.
"""

import numpy as np


class Request:
    """What the runner knows of a request: vLLM's CachedRequestState."""

    def __init__(self, name, prompt, block_ids, num_computed_tokens):
        self.name = name
        self.prompt = prompt
        self.block_ids = list(block_ids)
        self.num_computed_tokens = num_computed_tokens


class InputBatch:
    def __init__(self, most_requests, max_model_len, block_size):
        self.max_model_len = max_model_len
        self.block_size = block_size
        self.req_ids = []
        self.req_id_to_index = {}
        self.removed = []
        self.token_ids = np.zeros((most_requests, max_model_len), dtype=np.int32)
        self.num_tokens = np.zeros(most_requests, dtype=np.int32)
        self.num_computed = np.zeros(most_requests, dtype=np.int32)
        self.max_blocks = -(-max_model_len // block_size)
        self.block_table = np.zeros((most_requests, self.max_blocks), dtype=np.int32)
        self.num_blocks = np.zeros(most_requests, dtype=np.int32)

    def append_row(self, block_ids, index):
        start = self.num_blocks[index]
        self.num_blocks[index] += len(block_ids)
        self.block_table[index, start : start + len(block_ids)] = block_ids

    def add_request(self, request):
        if self.removed:
            index = self.removed.pop()
            self.req_ids[index] = request.name
        else:
            index = len(self.req_ids)
            self.req_ids.append(request.name)
        self.req_id_to_index[request.name] = index
        self.token_ids[index, : len(request.prompt)] = request.prompt
        self.num_tokens[index] = len(request.prompt)
        self.num_computed[index] = request.num_computed_tokens
        self.num_blocks[index] = 0
        self.append_row(request.block_ids, index)

    def remove_request(self, name):
        index = self.req_id_to_index.pop(name)
        self.removed.append(index)
        self.req_ids[index] = None

    def condense(self):
        last = len(self.req_ids) - 1
        while self.removed:
            while last in self.removed:
                last -= 1
            empty = self.removed[-1]
            if empty >= last:
                break
            self.removed.pop()
            name = self.req_ids[last]
            self.req_ids[empty] = name
            self.req_ids[last] = None
            self.req_id_to_index[name] = empty
            tokens = self.num_tokens[last]
            self.token_ids[empty, :tokens] = self.token_ids[last, :tokens]
            self.num_tokens[empty] = tokens
            self.num_computed[empty] = self.num_computed[last]
            blocks = self.num_blocks[last]
            self.block_table[empty, :blocks] = self.block_table[last, :blocks]
            self.num_blocks[empty] = blocks
            last -= 1
        self.removed.clear()
        del self.req_ids[len(self.req_id_to_index) :]


class StreamPeer:
    """Takes the steps of an event stream; `step` is what is timed."""

    def __init__(self, stream):
        self.stream = stream
        self.window = stream["window"]
        self.outputs = scheduler_outputs(stream)
        most = stream["mostRequests"]
        self.arange = np.arange(max(most, stream["mostTokens"], stream["maxModelLen"]) + 1, dtype=np.int64)
        tokens = stream["mostTokens"]
        self.input_ids = np.zeros(tokens, dtype=np.int32)
        self.positions = np.zeros(tokens, dtype=np.int64)
        self.slot_mapping = np.zeros(tokens, dtype=np.int64)
        self.query_start_loc = np.zeros(most + 1, dtype=np.int32)
        self.seq_lens = np.zeros(most, dtype=np.int32)
        self.restart()

    def restart(self):
        self.batch = InputBatch(self.stream["mostRequests"], self.stream["maxModelLen"], self.stream["blockSize"])
        self.requests = {}
        self.next = 0
        self.step()

    @property
    def left(self):
        return len(self.outputs) - self.next

    def step(self):
        output = self.outputs[self.next]
        self.next += 1
        self.update_states(output)
        self.prepare_inputs(output)

    def update_states(self, output):
        batch = self.batch
        for name in output["finished"]:
            self.requests.pop(name)
            batch.remove_request(name)
        batch.removed.sort(reverse=True)
        for index, name in enumerate(output["cached"]):
            request = self.requests[name]
            computed = output["num_computed_tokens"][index]
            new_block_ids = output["new_block_ids"][index]
            request.num_computed_tokens = computed
            if new_block_ids is not None:
                request.block_ids.extend(new_block_ids)
            row = batch.req_id_to_index[name]
            batch.num_computed[row] = computed
            if new_block_ids is not None:
                batch.append_row(new_block_ids, row)
            drafts = output["drafts"].get(name)
            if drafts is not None:
                start = computed + 1
                batch.token_ids[row, start : start + len(drafts)] = drafts
                batch.num_tokens[row] = start + len(drafts)
        for name, prompt, block_ids, computed in output["new"]:
            request = Request(name, prompt, block_ids, computed)
            self.requests[name] = request
            batch.add_request(request)
        batch.condense()

    def prepare_inputs(self, output):
        batch = self.batch
        requests = len(batch.req_ids)
        scheduled = output["num_scheduled_tokens"]
        num_scheduled = np.array([scheduled[name] for name in batch.req_ids], dtype=np.int32)
        req_indices = np.repeat(self.arange[:requests], num_scheduled)
        cumulative = np.cumsum(num_scheduled)
        total = int(cumulative[-1])
        arange = self.arange[:total] - np.repeat(cumulative - num_scheduled, num_scheduled)
        positions = self.positions[:total]
        np.add(batch.num_computed[req_indices], arange, out=positions)
        token_indices = positions + req_indices * batch.max_model_len
        np.take(batch.token_ids.ravel(), token_indices, out=self.input_ids[:total])
        block_indices = req_indices * batch.max_blocks + positions // batch.block_size
        block_numbers = batch.block_table.ravel()[block_indices]
        np.add(block_numbers * batch.block_size, positions % batch.block_size, out=self.slot_mapping[:total])
        self.query_start_loc[0] = 0
        self.query_start_loc[1 : requests + 1] = cumulative
        self.query_start_loc[requests + 1 :] = cumulative[-1]
        np.add(batch.num_computed[:requests], num_scheduled, out=self.seq_lens[:requests])
        self.seq_lens[requests:] = 0
        if output["drafts"]:
            self.logits_indices = self.arange[:total]
        else:
            self.logits_indices = cumulative - 1

    def state(self):
        """Request, slots and blocks of each row of the step that was taken last."""
        batch = self.batch
        rows = []
        for row, name in enumerate(batch.req_ids):
            begin, end = self.query_start_loc[row], self.query_start_loc[row + 1]
            blocks = batch.block_table[row, : batch.num_blocks[row]]
            rows.append([int(name), self.slot_mapping[begin:end].tolist(), blocks.tolist()])
        return rows


class ReplacePeer:
    """A batch of which one request after another is replaced; `step` is what is timed."""

    def __init__(self, stream):
        self.batch = InputBatch(len(stream["initial"]), stream["maxModelLen"], stream["blockSize"])
        self.newcomers = [self.request(newcomer) for newcomer in stream["newcomers"]]
        self.places = stream["places"]
        self.there = [self.request(newcomer) for newcomer in stream["initial"]]
        for request in self.there:
            self.batch.add_request(request)
        self.next = 0

    @staticmethod
    def request(newcomer):
        computed = newcomer["numComputedTokens"]
        return Request(str(newcomer["request"]), np.arange(computed, dtype=np.int32), newcomer["blockIds"], computed)

    def step(self):
        batch = self.batch
        index = self.next % len(self.places)
        self.next += 1
        place = self.places[index]
        newcomer = self.newcomers[index]
        batch.remove_request(self.there[place].name)
        batch.removed.sort(reverse=True)
        self.there[place] = newcomer
        batch.add_request(newcomer)
        batch.condense()

    def state(self):
        batch = self.batch
        rows = enumerate(batch.req_ids)
        return [[int(name), [], batch.block_table[row, : batch.num_blocks[row]].tolist()] for row, name in rows]


def scheduler_outputs(stream):
    """What vLLM's scheduler would hand to the runner in each step, and in one before them that starts the stream's first requests."""
    window = stream["window"]
    prompts = np.arange(stream["maxModelLen"], dtype=np.int32) % 50_000
    draft_ids = list(range(window - 1))

    def new(newcomer):
        prompt = prompts[: newcomer["promptTokens"]]
        return (str(newcomer["request"]), prompt, newcomer["blockIds"], newcomer["numComputedTokens"])

    # Requests that are there: tokens computed, in the order in which they joined; those that decode, and those in the middle of a prompt.
    computed = {}
    decoding = []
    unseen = {}
    for newcomer in stream["initial"]:
        name = str(newcomer["request"])
        decoding.append(name)
        computed[name] = newcomer["numComputedTokens"]
    outputs = [
        {
            "finished": [],
            "cached": [],
            "num_computed_tokens": [],
            "new_block_ids": [],
            "new": [new(newcomer) for newcomer in stream["initial"]],
            "num_scheduled_tokens": {name: window for name in decoding},
            "drafts": {name: draft_ids for name in decoding} if window > 1 else {},
        }
    ]
    for step in stream["steps"]:
        gone = {str(request) for request in step["finished"]}
        decoding = [name for name in decoding if name not in gone]
        for name in gone:
            del computed[name]
        accepted = step["accepted"] or [0] * len(decoding)
        for name, drafts in zip(decoding, accepted):
            computed[name] += 1 + drafts
        decoding += [str(request) for request in step["began"]]
        scheduled = {name: window for name in decoding}
        for newcomer in step["joined"]:
            name = str(newcomer["request"])
            computed[name] = newcomer["numComputedTokens"]
            if computed[name] > 0:
                decoding.append(name)
                scheduled[name] = window
        chunks = {str(chunk["request"]): chunk for chunk in step["chunks"]}
        for name, chunk in chunks.items():
            scheduled[name] = chunk["queryLen"]
            computed[name] = chunk["start"]
        # A prompt is new to the runner in the step that computes its first chunk.
        unseen.update((str(newcomer["request"]), newcomer) for newcomer in step["joined"])
        fresh = [name for name in scheduled if name in unseen]
        given = {}
        for request, block in zip(step["entering"], step["blocks"]):
            given.setdefault(str(request), []).append(block)
        cached = [name for name in scheduled if name not in unseen]
        outputs.append(
            {
                "finished": [str(request) for request in step["finished"]],
                "cached": cached,
                "num_computed_tokens": [computed[name] for name in cached],
                "new_block_ids": [given.get(name) for name in cached],
                "new": [new(unseen.pop(name)) for name in fresh],
                "num_scheduled_tokens": scheduled,
                "drafts": {name: draft_ids for name in decoding} if window > 1 else {},
            }
        )
        for name, chunk in chunks.items():
            computed[name] += chunk["queryLen"]
    return outputs
