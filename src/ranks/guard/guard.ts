import { checkArguments } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import type { WaitOptions } from '../../wait.js';
import { runWaiting, runWaitingSync, type Waiting } from '../../waiting.js';
import type { Collective } from '../collective.js';
import { gathering } from '../gathering.js';
import { type GuardReady, guardRow, type OnAsymmetric } from './guard-row.js';
import { type GuardOutcome, resolveGuard } from './resolve-guard.js';

/** What a guard does if ranks differ. */
export interface GuardPolicy {
  /** What to do when only some ranks are ready. The same on all ranks. */
  readonly onAsymmetric: OnAsymmetric;
}

/**
 * Agrees, before a forward that holds collectives, that every rank has what it needs: warm-up, tuning, capture. Nothing
 * of the forward may run before, and everything it needs is reserved before the call. Asked again once the graphs are made, it agrees that
 * all hold them, with the same collectives. One all-gather.
 * Source: the guard of TensorRT-LLM pull request 14986, where a rank without a batch skipped and its peers hung.
 * @returns `run` when all ranks are ready, `skip` when none is, or when some lack something and all said `drop`.
 * @throws `ERR_CAPTURE_ASYMMETRIC` on every rank when some lack something and all said `throw`; `ERR_ABORTED` when one lacks nothing but
 * the will (`aborted`); `ERR_RANKS_DIVERGED` when ranks hold other collectives than most, or
 * when the ranks ask about different keys, differ in `onAsymmetric`, or some are in no guard at all, naming those that differ from most;
 * what `allGather` throws.
 */
export async function agreeOnCapture(
  collective: Collective,
  ready: GuardReady,
  policy: GuardPolicy,
  options?: WaitOptions,
): Promise<'run' | 'skip'> {
  return await runWaiting(agreeingOnCapture(collective, ready, policy, options));
}

/** The same, blocking the thread. */
export function agreeOnCaptureSync(
  collective: Collective,
  ready: GuardReady,
  policy: GuardPolicy,
  options?: WaitOptions,
): 'run' | 'skip' {
  return runWaitingSync(agreeingOnCapture(collective, ready, policy, options));
}

/** The same, in either form. */
export function* agreeingOnCapture(
  collective: Collective,
  ready: GuardReady,
  policy: GuardPolicy,
  options?: WaitOptions,
): Waiting<'run' | 'skip'> {
  checkGuard(collective, ready, policy);
  const row = guardRow(collective.rowWords, ready, policy.onAsymmetric);
  const table = new Int32Array(collective.size * collective.rowWords);
  yield gathering(collective, row, table, options);
  return settle(resolveGuard(table, collective.rowWords));
}

function settle(outcome: GuardOutcome): 'run' | 'skip' {
  switch (outcome.kind) {
    case 'run':
    case 'skip':
      return outcome.kind;
    case 'aborted':
      throw new LockstepError(
        'ERR_ABORTED',
        `Rank ${outcome.ranks.join(', ')} gave the capture up before key ${outcome.key}; no rank keeps a graph of it, and all may capture again`,
        { key: outcome.key, ranks: outcome.ranks },
      );
    case 'collectives':
      throw new LockstepError(
        'ERR_RANKS_DIVERGED',
        `The ranks captured different collectives for key ${outcome.key}: ${outcome.captured.join(', ')}. Every rank's forward must enter the same collectives ` +
          'with the same counts in the same order; no graph was launched.',
        { key: outcome.key, ranks: outcome.ranks },
      );
    case 'asymmetric':
      if (outcome.onAsymmetric === 'drop') return 'skip';
      throw asymmetric(outcome);
    case 'diverged':
      throw new LockstepError(
        'ERR_RANKS_DIVERGED',
        `The ranks are not in the same capture guard: ${outcome.differences.map(({ rank, what }) => `rank ${rank} ${what}`).join(', ')}${outcome.others === null ? '' : `, where the other ranks each ${outcome.others.replace(/^guards/, 'guard')}`}. ` +
          'Every rank must guard the same keys in the same order with the same onAsymmetric.',
        { ranks: outcome.differences.map(({ rank }) => rank), differences: outcome.differences },
      );
  }
}

function asymmetric(outcome: Extract<GuardOutcome, { kind: 'asymmetric' }>): LockstepError {
  const { key, lacking } = outcome;
  const named = lacking.map(({ rank, reason, lackingBytes }) => {
    const bytes = lackingBytes > 0 ? ` (${lackingBytes} bytes short)` : '';
    return `rank ${rank} lacks ${reason}${bytes}`;
  });
  return new LockstepError(
    'ERR_CAPTURE_ASYMMETRIC',
    `Capture key ${key} cannot run on all ranks: ${named.join(', ')}; no rank entered its collectives. ` +
      "Give those ranks what they lack, or set onAsymmetric to 'drop' to leave the key out everywhere.",
    { key, lacking },
  );
}

function checkGuard(collective: unknown, ready: unknown, policy: unknown): void {
  checkArguments('agreeOnCapture', {
    collective: [collective, 'object', 'rowWords', 'size'],
    ready: [ready, 'object'],
    policy: [policy, 'object'],
  });
}
