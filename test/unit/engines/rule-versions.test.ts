import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  atomCaptureSizes,
  ENGINE_NAMES,
  ENGINE_RULES,
  type EngineName,
  engineLadder,
  megatronGraphTokens,
  type RuleVersion,
  ruleVersions,
  sglangMaxBatch,
  vllmLadder,
} from '../../../dist/engines/index.js';

const LIMITS = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 1 };

describe('rules that changed keep both sides, and the newest is the default', () => {
  test("vLLM's default list holds max_num_seqs since pull request 57355, without drafts and without the user's maximum", () => {
    const limits = { maxNumSeqs: 100, maxNumBatchedTokens: 8192 };
    const before = vllmLadder({ ...limits, version: '2026-08' }).sizes;
    expect(before).not.toContain(100);
    expect(vllmLadder(limits).sizes).toEqual([...before, 100].sort((a, b) => a - b));
    for (const rest of [{ queryLen: 2 }, { maxSize: 200 }]) {
      expect(vllmLadder({ ...limits, ...rest })).toEqual(vllmLadder({ ...limits, ...rest, version: '2026-08' }));
    }
    expect(vllmLadder({ maxNumSeqs: 600, maxNumBatchedTokens: 8192 }).sizes.at(-1)).toBe(512);
    expect(engineLadder('vllm', { ...limits, queryLen: 1 })).toMatchObject({ version: '2026-09' });
  });

  test.each([
    [32, 1, 48, 24],
    [32, 4, 160, 80],
    [20, 1, 48, 24],
    [34.9, 8, 160, 80],
    [35, 1, 32, 32],
    [19.9, 4, 8, 8],
  ])(
    'SGLang on %f GB, tensor parallel %i: up to %i requests, %i before pull request 37898',
    (memoryGb, tp, now, then) => {
      expect(sglangMaxBatch({ memoryGb, tensorParallelSize: tp })).toBe(now);
      expect(sglangMaxBatch({ memoryGb, tensorParallelSize: tp, version: '2026-08' })).toBe(then);
    },
  );

  test("Megatron's graphs for steps with prefills end at 512 tokens, between the decodes and the budget", () => {
    const { mixed = [], sizes } = engineLadder('megatron', LIMITS);
    expect(Math.max(...mixed.map(([tokens]) => tokens))).toBe(512);
    expect(sizes.at(-1)).toBe(256);
    const config = { maxRequests: 256, maxTokens: 8192 };
    expect(megatronGraphTokens(config)).toBe(512);
    expect(megatronGraphTokens(config, { allPrefills: true })).toBe(8192);
    expect(megatronGraphTokens(config, { version: '2026-05' })).toBe(8192);
    expect(megatronGraphTokens({ ...config, maxRequests: 1024 })).toBe(1024);
    expect(megatronGraphTokens({ maxRequests: 64, maxTokens: 400 })).toBe(400);
    expect(megatronGraphTokens({ ...config, numSpeculativeTokens: 3 })).toBe(1024);
  });

  test("ATOM's default is what its server's arguments default to; the spacing stands in for an empty list", () => {
    const limits = { maxNumSeqs: 512, maxNumBatchedTokens: 16384, queryLen: 1 };
    const server = [1, 2, 4, 8, 16, 32, 48, 64, 128, 256, 512];
    expect(engineLadder('atom', limits).sizes).toEqual(server);
    expect(atomCaptureSizes({ ...limits, defaults: 'server', version: '2025-12' })).toEqual(server.slice(0, -1));
    expect(atomCaptureSizes(limits)).toHaveLength(36);
  });

  test('every version has its source, every engine a newest one, and another is refused by name', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../../docs/engines.md'), 'utf8');
    for (const { engine, version, source, read } of ENGINE_RULES) {
      expect(ruleVersions(engine)).toContain(version);
      expect(page).toContain(`| ${engine} | ${version} |`);
      expect(page).toContain(source);
      expect(page).toContain(read);
    }
    for (const engine of ENGINE_NAMES) {
      const versions: readonly string[] = ruleVersions(engine as EngineName);
      expect([...versions].sort()).toEqual(versions);
      expect(engineLadder(engine, LIMITS).version).toBe(versions.at(-1));
    }
    expect(() => vllmLadder({ ...LIMITS, version: '2020' as RuleVersion<'vllm'> })).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining('2026-08, 2026-09') }),
    );
  });
});
