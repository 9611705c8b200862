import { RawRules } from '../agreement/index.js';
import { LockstepError } from '../errors.js';
import { decodePlan } from '../keys/index.js';
import type { PlannerModules } from '../memory/index.js';
import { LOCKSTEP_POLICY } from '../policy/index.js';
import type { Collective } from '../ranks/index.js';

/** What the ranks of a bench do together. */
export type SharedWork = 'agree' | 'gather' | 'bare';

const LEAVE = 0;
const WORKS: readonly SharedWork[] = ['agree', 'gather', 'bare'];
const DECODES = 64;
/** Ranks that follow wait while the first one measures something else. */
const WAIT = Object.freeze({ timeoutMs: 600_000 });

/**
 * One rank of a bench of what crosses ranks. Rank 0 leads: each `lead` is one all-gather that says what comes, then so many rounds of it, in which every
 * rank takes part. The others `follow` until it leaves.
 */
export class AgreementRank {
  readonly #collective: Collective;
  readonly #rules: RawRules;
  readonly #bare: (rounds: number) => void;
  readonly #facts: Parameters<RawRules['vote']>[1];
  readonly #said: Int32Array;
  readonly #heard: Int32Array;

  /** `bare(rounds)` is so many rounds of the least that the transport's ranks could do. */
  constructor(modules: PlannerModules, collective: Collective, bare: (rounds: number) => void) {
    const limits = { maxNumSeqs: DECODES, maxNumBatchedTokens: DECODES, queryLen: 1 };
    const { keys } = decodePlan({ sizes: [DECODES], limits, policy: LOCKSTEP_POLICY });
    this.#collective = collective;
    this.#rules = new RawRules(modules, { limits, keys, ranks: collective.size });
    this.#bare = bare;
    const tokens = 1 + (collective.rank % DECODES);
    const facts = { tokens, decodeRequests: tokens, uniformQueryLen: 1, maxQueryLen: 1, maxDecodeQueryLen: 1 };
    this.#facts = { ...facts, maxSeqLen: 9, part0Tokens: tokens };
    this.#said = new Int32Array(collective.rowWords);
    this.#heard = new Int32Array(collective.size * collective.rowWords);
  }

  lead(work: SharedWork, rounds: number): void {
    this.#said[0] = 1 + WORKS.indexOf(work);
    this.#said[1] = rounds;
    this.#collective.allGatherSync(this.#said, this.#heard, WAIT);
    this.#take(work, rounds);
  }

  /** Lets the others go, and leaves. */
  leave(): void {
    this.#said[0] = LEAVE;
    this.#collective.allGatherSync(this.#said, this.#heard, WAIT);
    this.#collective.dispose();
  }

  follow(): void {
    for (;;) {
      this.#collective.allGatherSync(this.#said, this.#heard, WAIT);
      const [number, rounds] = this.#heard;
      if (number === LEAVE) break;
      this.#take(WORKS[number - 1], rounds);
    }
    this.#collective.dispose();
  }

  #take(work: SharedWork, rounds: number): void {
    if (work === 'bare') this.#bare(rounds);
    else for (let round = 0; round < rounds; round++) this.#round(work);
  }

  #round(work: SharedWork): void {
    const { rank, size } = this.#collective;
    const { rules, rows, table, decision } = this.#rules;
    if (work === 'agree') {
      this.#rules.vote(rank, this.#facts);
      rules.sealVote(rows[rank].byteOffset, rank, 7);
    }
    this.#collective.allGatherSync(rows[rank], table, WAIT);
    if (work === 'gather') return;
    const status =
      rules.admit(table.byteOffset, size) || rules.resolve(table.byteOffset, size, 0, decision.words.byteOffset);
    if (status !== 0) throw new LockstepError('ERR_RANKS_DIVERGED', `The bench's table was refused with ${status}`);
  }
}
