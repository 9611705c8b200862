import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  createPlanner,
  decodeKey,
  decodePlan,
  keyKind,
  LockstepError,
  mixedKey,
  type PlannerOptions,
  piecewiseKey,
  type WasmSource,
} from '../../../dist/entry/planner.js';
import { refusedWith } from '../../support/expectations.js';
import { policyWith } from '../../support/planner-setup.js';

const dist = path.resolve(import.meta.dirname, '../../../dist');
/** Rooms that the entry `lockstep/planner` is made of. */
const PLANNER_ROOMS = ['layout', 'policy', 'keys', 'memory', 'batch', 'agreement', 'planner'];
const wasm = (name: string): Buffer => readFileSync(path.join(dist, 'memory', `${name}.wasm`));

async function refusal(options: PlannerOptions): Promise<LockstepError> {
  const error: unknown = await createPlanner(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LockstepError);
  return error as LockstepError;
}

async function faults(options: PlannerOptions): Promise<string> {
  const error = await refusal(options);
  expect(error.code).toBe('ERR_CONFIG_INVALID');
  return error.message;
}

describe('createPlanner refuses numbers that cannot work, all of them at once', () => {
  it('limits', async () => {
    const limits = { maxNumSeqs: 0, blockSize: 1.5, queryLen: Number.NaN, numBlocks: '9', speculative: 3 };
    const message = await faults({ limits: limits as object });
    for (const name of [
      'maxNumSeqs is 0',
      'blockSize is 1.5',
      'queryLen is NaN',
      'numBlocks is "9"',
      'no speculative',
    ]) {
      expect(message).toContain(name);
    }
  });

  it('options that would be passed over', async () => {
    const given: object = { check: true, checked: 'yes', poison: 1 };
    const message = await faults(given);
    for (const fault of ['options has no check;', 'checked is "yes"', 'poison is 1']) expect(message).toContain(fault);
    expect(await faults(null as unknown as PlannerOptions)).toContain('options is null');
  });

  it('limits that contradict each other', async () => {
    expect(await faults({ limits: { blockSize: 16, kernelBlockSize: 5, interleaveSize: 3 } })).toMatch(
      /kernelBlockSize \(5\) must divide.*\n.*interleaveSize \(3\) must divide/,
    );
    expect(await faults({ limits: { maxNumBatchedTokens: 3, queryLen: 4 } })).toContain('not one decode would fit');
    expect(await faults({ limits: { contextParallelSize: 2, contextParallelRank: 2 } })).toContain('from 0 to 1');
  });

  it('limits whose ids or lengths pass 32 bits', async () => {
    const limits = { maxNumSeqs: 1, maxModelLen: 64, blockSize: 16, kernelBlockSize: 1 };
    expect(await faults({ limits: { ...limits, numBlocks: 2 ** 27 + 1 } })).toContain('kernel block ids');
    expect(await faults({ limits: { blockSize: 1 << 24, contextParallelSize: 128 } })).toContain('contextParallelSize');
    expect((await createPlanner({ limits: { ...limits, numBlocks: 2 ** 27 } })).limits.numBlocks).toBe(2 ** 27);
  });

  it('a policy', async () => {
    const policy = { ubatches: 5, tokenAlignment: 0, eagerEmptyPart: 'skip', enforceEager: 1, ubatch: 2 };
    const message = await faults({ policy: policy as object });
    for (const name of [
      'ubatches is 5',
      'tokenAlignment is 0',
      'eagerEmptyPart is "skip"',
      'enforceEager',
      'no ubatch;',
    ]) {
      expect(message).toContain(name);
    }
  });

  it('a plan', async () => {
    const good = decodeKey(4, 1, 1);
    const halves = { ...good, queryLen: 0.1, parts: 2 };
    const keys = [good, { ...good, tokens: 5 }, good, decodeKey(4, 1, 2), halves, { ...good, mode: 'partial' }];
    const message = await faults({ plan: { keys } as never, policy: { ubatches: 2, tokenAlignment: 4 } });
    for (const name of [
      'keys[1]: tokens must be',
      'keys[2] repeats',
      'keys[3].parts',
      'keys[4].queryLen',
      'keys[5].mode',
    ]) {
      expect(message).toContain(name);
    }
    expect(await faults({ plan: {} as never })).toContain('array named keys');
    const unaligned = { plan: { keys: [decodeKey(6, 1, 1)] }, policy: { tokenAlignment: 4 } };
    expect(await faults(unaligned)).toContain('tokenAlignment (4)');
    const fiveLengths = { keys: [1, 2, 3, 4, 5].map((length) => decodeKey(1, length, 1)) };
    expect(await faults({ plan: fiveLengths, limits: { queryLen: 5 } })).toContain('5 query lengths');
  });

  it('mixed and piecewise keys', async () => {
    const mixed = mixedKey(16, 2, 4, 2);
    const whole = piecewiseKey(16);
    const wrong = [
      { ...mixed, tokens: 5 },
      { ...mixed, queryLen: 3 },
      { ...mixed, queryLen: 0 },
      { ...mixed, maxQueryLen: 1 },
      { ...mixed, parts: 2 },
      { ...whole, decodeRequests: 4 },
      { ...whole, tokens: 0 },
      { ...whole, parts: 2 },
    ];
    const message = await faults({ plan: { keys: wrong }, limits: { queryLen: 2 }, policy: { ubatches: 2 } });
    for (const name of [
      'keys[0].tokens is 5; its 2 + 4 requests need at least one token each',
      'keys[1].queryLen is 3',
      'keys[2].queryLen is 0',
      'keys[3].maxQueryLen is 1',
      'keys[4].parts is 2',
      'keys[5].decodeRequests is 4; a piecewise graph has none',
      'keys[6].tokens is 0',
      'keys[7].parts is 2',
    ]) {
      expect(message).toContain(name);
    }
    const keys = [mixed, whole, { ...mixed, variant: 1 }, mixedKey(16, 2, 0, 2)];
    const planner = await createPlanner({ plan: { keys }, limits: { queryLen: 2, maxModelLen: 64 } });
    expect(planner.plan.keys.map(keyKind)).toEqual(['mixed', 'piecewise', 'mixed', 'mixed']);
    expect(planner.plan.keys[3]).toMatchObject({ tokens: 16, prefillRequests: 2, decodeRequests: 0, queryLen: 0 });
  });

  it.each([
    [2, 2, 'rank (of 2 ranks) is 2; it must be an integer from 0 to 1'],
    [-1, 2, 'rank (of 2 ranks) is -1'],
    [0, 0, 'ranks is 0; it must be an integer from 1 to 4096'],
    [0, 5000, 'ranks is 5000'],
    [0.5, 2, 'rank (of 2 ranks) is 0.5'],
  ])('rank %d of %d', async (rank, ranks, expected) => {
    expect(await faults({ rank, ranks })).toContain(expected);
  });

  it('a replica that does not divide the ranks', async () => {
    expect(await faults({ ranks: 6, replicaSize: 4, rank: 9 })).toMatch(
      /rank \(of 6 ranks\) is 9.*\n.*replicaSize is 4; it must divide ranks \(6\)/,
    );
    expect(await faults({ ranks: 2, replicaSize: 4 })).toContain('replicaSize is 4; it must be an integer from 1 to 2');
    expect(await faults({ ranks: 2, replicaSize: 0 })).toContain('replicaSize is 0');
    expect((await createPlanner({ ranks: 6, replicaSize: 3, limits: { maxModelLen: 64 } })).replicaSize).toBe(3);
  });

  it.each([
    ['limits', null, 'limits is null'],
    ['limits', 5, 'limits is 5'],
    ['policy', [], 'policy is []'],
    ['plan', { keys: [null] }, 'keys[0] is null'],
  ])('%s: %j', async (name, value, expected) => {
    expect(await faults({ [name]: value } as object)).toContain(expected);
  });

  it('a ladder that is not one', () => {
    const options = { policy: policyWith({ tokenAlignment: 3 }), limits: { maxNumSeqs: 8, queryLen: 1 } };
    const error = refusedWith('ERR_CONFIG_INVALID', () => decodePlan({ ...options, sizes: [4, 0, Number.NaN, 1.5] }));
    for (const name of ['sizes[1] is 0', 'sizes[2] is NaN', 'sizes[3] is 1.5']) expect(error.message).toContain(name);
    const noLength = { maxNumSeqs: 8, queryLen: Number.NaN };
    refusedWith('ERR_CONFIG_INVALID', () => decodePlan({ ...options, sizes: [4], limits: noLength }));
  });

  it('undefined choices take their defaults', async () => {
    const planner = await createPlanner({ limits: { maxNumSeqs: undefined }, policy: { ubatches: undefined } });
    expect(planner.limits.maxNumSeqs).toBe(256);
    expect(planner.policy.ubatches).toBe(1);
  });

  it('more than 4 GiB of tables: says how much, and which limits to lower', async () => {
    const error = await refusal({ limits: { maxNumSeqs: 65536, maxModelLen: 1 << 20, blockSize: 1 } });
    expect(error.code).toBe('ERR_PLAN_CAPACITY');
    expect(error.message).toMatch(/MiB.*maxNumSeqs.*maxModelLen.*blockSize/);
    expect(error.details.bytes).toBeGreaterThan(2 ** 32);
  });
});

describe("the planner's modules", () => {
  const sources: [string, (name: string) => WasmSource][] = [
    ['bytes', (name) => wasm(name)],
    ['an ArrayBuffer', (name) => new Uint8Array(wasm(name)).buffer],
    ['a Module', (name) => new WebAssembly.Module(Uint8Array.from(wasm(name)))],
    ['a URL', (name) => pathToFileURL(path.join(dist, 'memory', `${name}.wasm`))],
  ];

  it.each(sources)('come as %s', async (_kind, source) => {
    const planner = await createPlanner({ wasm: { rules: source('rules'), metadata: source('metadata') } });
    const row = planner.requests.add({ blockIds: [2], numComputedTokens: 3 });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    const local = planner.build(planner.resolve(planner.vote()));
    expect(local.tensors.slotMapping[0]).toBe(35n);
  });

  it('may come one by one', async () => {
    const planner = await createPlanner({ wasm: { rules: wasm('rules') } });
    expect(planner.vote()).toHaveLength(32);
  });

  it('export what the planner, the ladder optimiser and the checker call, and of the rules nothing else', () => {
    const exported = WebAssembly.Module.exports(new WebAssembly.Module(Uint8Array.from(wasm('rules'))));
    const names = exported.filter(({ kind }) => kind === 'function').map(({ name }) => name);
    const ladder = ['fillBoundedLayers', 'fillLayers', 'listBoundedSizes', 'listSizes', 'readLadder'];
    const checker = ['act', 'exploreTables'];
    const admission = ['admit', 'hashDecision', 'sealOf', 'sealVote', 'wordOutOfRange'];
    const planner = [
      'brokenLimit',
      'castVote',
      'explainCandidates',
      'installPlan',
      'judge',
      'partCut',
      'partShare',
      'partsOverlap',
      'replicaOutlier',
      'resolve',
      'resolveSealed',
      'sizeHashed',
      'sizeLocal',
      'writeVote',
    ];
    expect(names.sort()).toEqual([...ladder, ...checker, ...admission, ...planner].sort());
  });

  it('are refused where they are something else', async () => {
    expect(await faults({ wasm: { rules: Uint8Array.of(1, 2, 3, 4) } })).toContain('cannot be read as WebAssembly');
    expect(await faults({ wasm: { rules: pathToFileURL('/nowhere/rules.wasm') } })).toContain('/nowhere/rules.wasm');
    expect(await faults({ wasm: { rules: 'rules.wasm' as unknown as URL } })).toContain('bytes');
    expect(await faults({ wasm: { rules: wasm('metadata') } })).toContain('give rules.wasm');
    expect(await faults({ wasm: { metadata: wasm('rules') } })).toContain('give metadata.wasm');
  });

  it('need nothing of the package but the rooms below ranks and devices: no addon, no dependency', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-planner-'));
    try {
      for (const name of [
        ...PLANNER_ROOMS,
        'entry/planner.js',
        'checks.js',
        'config.js',
        'names.js',
        'numbers.js',
        'errors.js',
        'inspect.js',
      ]) {
        cpSync(path.join(dist, name), path.join(folder, name), { recursive: true });
      }
      writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
      const code = `
        const { createPlanner } = await import('./entry/planner.js');
        const planner = await createPlanner({ limits: { blockSize: 8 } });
        const row = planner.requests.add({ blockIds: [5], numComputedTokens: 6 });
        planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
        const local = planner.build(planner.resolve(planner.vote()));
        console.log(String(local.tensors.slotMapping[0]));`;
      const options = { cwd: folder, encoding: 'utf8' } as const;
      expect(execFileSync(process.execPath, ['--input-type=module', '--eval', code], options).trim()).toBe('46');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
