import { type Checkpoint, openModel } from '../checkpoint/index.js';
import { Decoder } from '../decoder/index.js';
import { type Device, type DeviceName, openDevice } from '../device/index.js';
import { decodePlan } from '../keys/index.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { LOCKSTEP_POLICY } from '../policy/index.js';
import { createSolo } from '../ranks/index.js';
import { createRank, type Rank, type StepResult } from '../runtime/index.js';
import { AheadSteps, RankEngine } from '../service/index.js';
import type { BenchCase, BenchRow } from './measure.js';

/** A dense model of 15 million weights: the shape of a public one whose weights are trained. */
const MODEL =
  'random:dense,layers=6,hiddenSize=288,intermediateSize=768,heads=6,kvHeads=6,vocabSize=32000,maxPositions=512';
const WIDTH = 2048;
/** Small, so that what the host does between steps is seen beside them. */
const SMALL_MODEL = 'random:dense';
const STEPS = 32;
const TIMEOUT_MS = 60_000;
const GREEDY = { temperature: 0, topK: 0, topP: 1, seed: 0n };

/**
 * Rows of the reference decoder. Of a product and of a whole step the limit is to move as many bytes as the weights have, once; of steps in a
 * row it is the device's work alone, enqueued without a wait: what a row takes beyond it, the device was idle.
 */
export function decoderRows(name: DeviceName, opened: Disposable[]): readonly BenchRow[] {
  const open = (): Device => {
    const device = openDevice({ device: name });
    opened.push(device);
    return device;
  };
  const row = (title: string, make: (modules: PlannerModules) => Omit<BenchCase, 'peer'>): BenchRow => ({
    name: title,
    make: (modules) => ({ peer: null, ...make(modules) }),
  });
  return [
    row('matmul-1', () => matmulCase(open(), 1)),
    row('matmul-16', () => matmulCase(open(), 16)),
    row('decode-1', (modules) => weightsCase(new DecoderLoop(modules, open(), 1))),
    row('decode-16', (modules) => weightsCase(new DecoderLoop(modules, open(), 16))),
    row('decode-idle-16', (modules) => idleCase(new DecoderLoop(modules, open(), 16, { model: SMALL_MODEL }))),
    row('decode-idle-ahead-16', (modules) =>
      idleCase(new DecoderLoop(modules, open(), 16, { model: SMALL_MODEL, ahead: true })),
    ),
  ];
}

/** A product of `rows` rows with 2048 x 2048 weights. */
function matmulCase(device: Device, rows: number): Omit<BenchCase, 'peer'> {
  const stream = device.createStream();
  const kernel = device.loadModule().kernel('matmul');
  const [x, out] = [device.allocate(rows * WIDTH * 4), device.allocate(rows * WIDTH * 4)];
  const weights = device.allocate(WIDTH * WIDTH * 4);
  for (const buffer of [x, weights]) stream.upload(buffer, 0, new Float32Array(buffer.bytes / 4));
  return {
    ours: () => {
      stream.launch(kernel, [x, weights, out, rows, WIDTH, WIDTH]);
      stream.synchronizeSync();
    },
    limit: movesOf(device, weights.bytes),
  };
}

/** Moves so many bytes, half of them read and half written. */
function movesOf(device: Device, bytes: number): () => void {
  const stream = device.createStream();
  const half = Math.ceil(bytes / 2);
  const [from, to] = [device.allocate(half), device.allocate(half)];
  stream.upload(from, 0, new Uint8Array(half));
  return () => {
    stream.copy(from, to, half);
    stream.synchronizeSync();
  };
}

/** A step of decodes and the tokens it samples, beside the bytes of the weights. */
function weightsCase(loop: DecoderLoop): Omit<BenchCase, 'peer'> {
  return { ours: () => loop.step(), limit: movesOf(loop.device, loop.weightBytes) };
}

/** Steps in a row, beside what the device computes in them. */
function idleCase(loop: DecoderLoop): Omit<BenchCase, 'peer'> {
  return {
    pieces: STEPS,
    ours: () => {
      for (let step = 0; step < STEPS; step++) loop.step();
    },
    limit: () => loop.repeat(STEPS),
  };
}

/** One rank that decodes so many requests, one after the other in each place, with one graph. */
class DecoderLoop {
  readonly device: Device;
  readonly weightBytes: number;
  readonly #rank: Rank;
  readonly #decoder: Decoder;
  readonly #engine: RankEngine;
  readonly #ahead: AheadSteps | null;
  readonly #count: number;
  #requests = 0;

  constructor(
    modules: PlannerModules,
    device: Device,
    count: number,
    { model = MODEL, ahead = false }: { readonly model?: string; readonly ahead?: boolean } = {},
  ) {
    const checkpoint = openModel(model);
    const maxModelLen = checkpoint.config.maxPositions;
    const limits = {
      ...{ maxNumSeqs: count, maxNumBatchedTokens: Math.max(16, count), maxModelLen, blockSize: 16, queryLen: 1 },
      numBlocks: 1 + (count * maxModelLen) / 16,
    };
    const plan = decodePlan({ sizes: [count], limits, policy: LOCKSTEP_POLICY });
    const planner = new StepPlanner(modules, { limits, plan });
    let decoder: Decoder | undefined;
    this.#rank = createRank({
      planner,
      device,
      collective: createSolo(),
      forward: (executor) => {
        decoder = new Decoder(executor, checkpoint, planner.limits, { ahead });
        return decoder;
      },
    });
    this.#rank.captureSync();
    this.#decoder = decoder as unknown as Decoder;
    this.#engine = new RankEngine({ planner });
    const { ahead: sampling } = this.#decoder;
    this.#ahead = sampling === undefined ? null : new AheadSteps(this.#engine, sampling, TIMEOUT_MS);
    this.device = device;
    this.weightBytes = weightBytesOf(checkpoint);
    this.#count = count;
    // Prompts of a token: from then on every step is decodes alone.
    for (let step = 0; step < 4; step++) this.step();
  }

  step(): StepResult {
    const { running, waiting } = this.#engine;
    const free = this.#count - running - waiting;
    const events = Array.from({ length: free }, () => {
      const id = this.#requests++;
      const request = { id, ids: Int32Array.of(1 + (id % 100)), maxTokens: 500, controls: GREEDY, stopTokenIds: [] };
      return { kind: 'arrive', request } as const;
    });
    const result =
      this.#ahead === null
        ? this.#engine.stepSync(this.#rank, this.#decoder, events)
        : this.#ahead.stepSync(this.#rank, events);
    this.#engine.take();
    return result;
  }

  /** So many times what the device does in a step of the same size, without a wait before the end. */
  repeat(steps: number): void {
    const { executor, planner } = this.#rank;
    const { local, decision } = planner;
    const rows = Array.from({ length: local.numLogits }, (_, index) => ({ controls: GREEDY, position: index + 1 }));
    for (let step = 0; step < steps; step++) {
      executor.repeat(decision, local);
      this.#decoder.enqueue(local, rows);
    }
    executor.stream.synchronizeSync();
  }
}

function weightBytesOf({ config }: Checkpoint): number {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const attention = hiddenSize * headDim * (2 * heads + 2 * kvHeads);
  return 4 * (layers * (attention + 3 * hiddenSize * intermediateSize) + vocabSize * hiddenSize);
}
