import type { CaptureAgreement } from '../execution/index.js';
import { type CaptureKey, keyWords } from '../keys/index.js';
import { KEY_WORDS } from '../layout/index.js';
import {
  type AgreedKeys,
  agreeingOnCapture,
  agreeingOnKeys,
  type Collective,
  type GuardPolicy,
  type GuardReady,
} from '../ranks/index.js';
import type { WaitOptions } from '../wait.js';
import type { Waiting } from '../waiting.js';
import type { RankReporter } from './rank-reporter.js';

/** What a rank agrees on with its peers in one capture. */
export class RankAgreement implements CaptureAgreement {
  /**
   * What an agreement threw, which is thrown on all ranks. The same code from a forward or a callback is of this rank alone.
   */
  refusal: unknown;
  readonly #collective: Collective;
  readonly #policy: GuardPolicy;
  readonly #wait: WaitOptions;
  readonly #reporter: RankReporter;

  constructor(collective: Collective, policy: GuardPolicy, wait: WaitOptions, reporter: RankReporter) {
    this.#collective = collective;
    this.#policy = policy;
    this.#wait = wait;
    this.#reporter = reporter;
  }

  /** Which of this rank's keys all ranks have. */
  keys(keys: readonly CaptureKey[]): Waiting<AgreedKeys> {
    return this.#agreed(agreeingOnKeys(this.#collective, keyWords(keys), KEY_WORDS.length, this.#policy, this.#wait));
  }

  /** Whether all ranks go on with a key. */
  guard(ready: GuardReady): Waiting<'run' | 'skip'> {
    this.#reporter.agrees(ready.stage ?? 'capture', ready.key, this.#collective.sequence + 1);
    return this.#agreed(agreeingOnCapture(this.#collective, ready, this.#policy, this.#wait));
  }

  *#agreed<T>(ask: Waiting<T>): Waiting<T> {
    try {
      const outcome = yield* ask;
      this.#reporter.agreed();
      return outcome;
    } catch (error) {
      this.refusal = error;
      throw error;
    }
  }
}
