import { describe, expect, it } from 'vitest';
import { cacheSlotBytes } from '../../dist/decoder/index.js';
import { openModel } from '../../dist/entry/checkpoint.js';
import { CLEAN, overStandin } from '../support/standin-process.js';

const BLOCK = 16 * cacheSlotBytes(openModel('random:dense').config);
const CARD = 16 << 20;
const LIMITS = [
  '--max-num-seqs',
  '256',
  '--max-num-batched-tokens',
  '256',
  '--max-model-len',
  '256',
  '--ladder',
  '1,2',
];
const ARGS = ['dist/cli/main.js', 'generate', 'random:dense', '--prompt-ids', '1,2,3', '--max-tokens', '4', '--json'];

/** What a card of 16 MiB says, of which no step could use all. */
function generate(...more: string[]) {
  const args = [...ARGS, ...LIMITS, '--device', 'cuda', '--num-blocks', 'auto', ...more];
  const { status, stdout, stderr, seen } = overStandin(args, { LOCKSTEP_STANDIN_BYTES: String(CARD) });
  return { status, stderr, seen, said: status === 0 ? JSON.parse(stdout) : null };
}

describe('--num-blocks auto on a card', () => {
  it('fills the card up to the share, which its ranks share, and captures every graph beside it', () => {
    const one = generate();
    expect(one).toMatchObject({ status: 0, stderr: '' });
    for (const report of one.seen) expect(report).toMatchObject(CLEAN);
    const blocks = (...more: string[]): number => {
      const { said } = generate(...more);
      expect(said.outputIds).toEqual(one.said.outputIds);
      return said.numBlocks;
    };
    const share = (from: number, to: number, ranks: number): number => ((from - to) * CARD) / ranks / BLOCK;
    const first = one.said.numBlocks;
    expect(Math.abs(first - blocks('--gpu-memory-utilization', '0.7') - share(0.9, 0.7, 1))).toBeLessThanOrEqual(1);
    const two = blocks('--ranks', '2');
    expect(Math.abs(two - blocks('--ranks', '2', '--gpu-memory-utilization', '0.8') - share(0.9, 0.8, 2))).toBeLessThan(
      2,
    );
    expect(two).toBeLessThan(first / 2);
  });

  it('is refused where the share leaves no room for one longest request', () => {
    const { status, stderr } = generate('--gpu-memory-utilization', '0.05');
    expect(status).toBe(2);
    expect(stderr).toMatch(/rank 0 has room for 0 KV blocks .* raise --gpu-memory-utilization.*\[ERR_DEVICE_MEMORY\]/);
  });
});
