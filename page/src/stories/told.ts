/** A story of the page: a historical policy, and what people who met the fault saw. */
export interface Told {
  readonly name: string;
  readonly title: string;
  readonly seen: string;
  readonly fix: string;
}

/** Five faults, in the words of people. What happens is played by the rules themselves. */
export const TOLD: readonly Told[] = [
  {
    name: 'vllm-before-27771',
    title: 'vLLM: one graph a size, and steps near a threshold that have none',
    seen: 'Decodes were slow in a band of batch sizes, with no message: one rank had reached the threshold for micro-batches, the other had not, and the only graph of that size was one they had not agreed to.',
    fix: 'Each size from the threshold on is captured twice: with micro-batches and without.',
  },
  {
    name: 'atom-before-1120',
    title: 'ATOM: tensors prepared for a graph that does not run',
    seen: 'Input preparation rounded the batch up to a captured size by itself; the runner then took the eager branch with the real lengths. The two did not fit.',
    fix: 'What is prepared follows from the decision, and from nothing else.',
  },
  {
    name: 'trtllm-before-14986',
    title: 'TensorRT-LLM: a rank that skips a capture, and one that waits for it',
    seen: 'At start-up one rank had no KV space for a graph and went on. The other entered the collectives of its capture and waited for ever.',
    fix: 'Before a capture every rank says whether it has room, and all do the same.',
  },
  {
    name: 'megatron-before-3509',
    title: 'Megatron: a graph whose slots do not hold the batch',
    seen: 'A graph was matched by the sum of its slots, and one that fitted so did not replay cleanly. In this small model, three prefills run on a graph with room for two.',
    fix: 'Prefills are held against prefill slots.',
  },
  {
    name: 'atom-before-1275',
    title: 'ATOM again: micro-batches that each rank cut for itself',
    seen: 'Each rank cut its batch where it saw fit. One brought 1 + 2 rows to the collectives, the other 4 + 4, and both parts used one all-gather at once.',
    fix: 'The ranks agree on the sizes of the parts too, and parts that share a resource do not overlap.',
  },
];
