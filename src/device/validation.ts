/**
 * How far a part of a GPU backend was tried: on a GPU; by a compiler alone; or over a library that answers as a driver does and runs
 * nothing on a GPU (`test/standin`).
 */
export type ValidationState = 'ran on hardware' | 'compiled' | 'stand-in only';

/** One part of a backend, and how far it was tried. */
export interface Validation {
  readonly backend: 'cuda' | 'hip';
  readonly feature: string;
  readonly state: ValidationState;
  /** By what. */
  readonly by: string;
  /** Given for what ran on hardware, with the driver and the date. */
  readonly device?: string;
  readonly driver?: string;
  /** Year, month and day. */
  readonly date?: string;
}

/** What `doctor` and docs/validation.md say; a test holds the page against it. */
export const VALIDATION: readonly Validation[] = Object.freeze([
  {
    backend: 'cuda',
    feature: 'driver loading, errors, choice of a card',
    state: 'stand-in only',
    by: 'test/standin/loading.test.ts; libraries that lack something in test/unit/device/drivers.test.ts',
  },
  { backend: 'cuda', feature: 'pinned planner memory', state: 'stand-in only', by: 'test/standin/loading.test.ts' },
  {
    backend: 'cuda',
    feature: 'memory, streams, events, captures, graphs; `run` with thread ranks on one card',
    state: 'stand-in only',
    by: 'test/standin/opening.test.ts; held against the host in test/standin/differential.test.ts',
  },
  {
    backend: 'cuda',
    feature: 'collectives by NCCL; `run` with a process and a card a rank',
    state: 'stand-in only',
    by: 'test/standin/nccl-run.test.ts, test/standin/nccl-laws.test.ts',
  },
  {
    backend: 'cuda',
    feature: 'kernels',
    state: 'compiled',
    by: 'nvcc 13.0 for sm_80, sm_90, sm_100, sm_120 and PTX',
  },
  {
    backend: 'cuda',
    feature: "kernels of others: cubin, fatbin, PTX, Triton's pair, manifests",
    state: 'stand-in only',
    by: 'test/standin/images.test.ts',
  },
  {
    backend: 'cuda',
    feature: 'the reference decoder: `run --model`, experts and heads over ranks',
    state: 'stand-in only',
    by: 'test/standin/gpu-device.test.ts, test/standin/nccl-run.test.ts',
  },
  {
    backend: 'hip',
    feature: 'driver loading, errors, choice of a card',
    state: 'stand-in only',
    by: "test/standin/loading.test.ts; AMD's own runtime 5.2.3 is loaded and finds no device",
  },
  { backend: 'hip', feature: 'pinned planner memory', state: 'stand-in only', by: 'test/standin/loading.test.ts' },
  {
    backend: 'hip',
    feature: 'memory, streams, events, captures, graphs; `run`',
    state: 'stand-in only',
    by: 'test/standin/gpu-device.test.ts; held against the host in test/standin/differential.test.ts',
  },
  {
    backend: 'hip',
    feature: 'collectives by RCCL; `run` with a process and a card a rank',
    state: 'stand-in only',
    by: 'test/standin/nccl-run.test.ts',
  },
  {
    backend: 'hip',
    feature: 'kernels of others: code objects',
    state: 'compiled',
    by: "the code that loads CUDA's images; no code object of others was loaded",
  },
  {
    backend: 'hip',
    feature: 'kernels',
    state: 'compiled',
    by: "clang 14 and HIP's own compiler 5.2.3 for gfx90a, clang 14 for gfx1030, clang 19 for gfx942",
  },
]);
