import type { KeyCandidate, Verdict } from '../agreement/index.js';
import { checkArguments } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import { type CaptureKey, type CapturePlan, keyKind } from '../keys/index.js';
import { countOf } from '../text.js';

/** Consecutive keys with the same verdict. */
interface Group {
  readonly verdict: Verdict;
  readonly candidates: KeyCandidate[];
}

/** The text for a group of keys by its verdict; `lacks`: the details of its keys, from the least to the most. */
const VERDICT_TEXTS: Readonly<Record<Verdict, (lacks: Lacks) => string>> = {
  chosen: () => 'this one runs',
  larger: () => 'would hold the step too, and a smaller one runs',
  'full-preferred': () => 'would hold the step too, and a full graph runs',
  'step-eager': () => 'the whole step runs eager, or not at all',
  variant: () => 'captured for another kernel variant',
  phase: () => 'not for a step of this phase',
  mode: () => 'a rank found only a lesser kind of graph for its batch',
  tokens: (lacks) => `${lacks.of('token')} too few`,
  requests: (lacks) => `places for ${lacks.of('request')} too few`,
  'prefill-requests': (lacks) => `slots for ${lacks.of('prefill')} too few`,
  'query-length': (lacks) =>
    lacks.most > 0 ? `${lacks.of('token')} too few for the longest request` : 'captured for another query length',
  'padding-factor': (lacks) =>
    `${lacks.most > 0 ? `${lacks.of('token')} more than` : 'would pad the step beyond what'} the policy's maxPaddingFactor allows`,
  'not-exact': (lacks) =>
    lacks.most > 0
      ? `${lacks.of('token')} more than the step has, and the policy pads no decode`
      : 'the ranks hold decodes of several sizes, and the policy pads none',
  'not-ubatched': () => 'captured without the micro-batches that were agreed to',
  'ubatches-not-agreed': () => 'captured with micro-batches, which were not agreed to',
};

/** Why each key does or does not run, in words: a line for each run of keys with the same verdict. */
export function candidateLines(candidates: readonly KeyCandidate[], plan: CapturePlan): string[] {
  checkArguments('candidateLines', { candidates: [candidates, 'objects'], plan: [plan, 'object', 'keys'] });
  checkArguments('candidateLines', { 'plan.keys': [plan.keys, 'objects'] });
  const isKnown = ({ key, verdict }: KeyCandidate): boolean =>
    Number.isInteger(key) && plan.keys[key] !== undefined && Object.hasOwn(VERDICT_TEXTS, verdict);
  const wrong = candidates.find((candidate) => !isKnown(candidate));
  if (wrong !== undefined) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `Key ${shown(wrong.key)} is said to be ${shown(wrong.verdict)}; a candidate is of a key of the plan, with a verdict of the rules`,
      {},
    );
  }
  return groups(candidates).map(({ verdict, candidates: own }) => {
    const keys = own.map(({ key }) => plan.keys[key]);
    const first = own[0].key;
    const last = own[own.length - 1].key;
    const name = first === last ? `${first}` : `${first} to ${last}`;
    return `${name}, ${keysText(keys)}: ${verdict}, ${VERDICT_TEXTS[verdict](new Lacks(own))}`;
  });
}

function groups(candidates: readonly KeyCandidate[]): Group[] {
  const found: Group[] = [];
  for (const candidate of candidates) {
    const last = found.at(-1);
    if (last?.verdict === candidate.verdict) last.candidates.push(candidate);
    else found.push({ verdict: candidate.verdict, candidates: [candidate] });
  }
  return found;
}

/** The counts that a group's keys lack. */
class Lacks {
  readonly least: number;
  readonly most: number;

  constructor(candidates: readonly KeyCandidate[]) {
    const details = candidates.map(({ detail }) => detail);
    this.least = Math.min(...details);
    this.most = Math.max(...details);
  }

  /** "1 token", "2 to 9 tokens". */
  of(noun: string): string {
    return this.least === this.most ? countOf(this.most, noun) : `${this.least} to ${this.most} ${noun}s`;
  }
}

/** "decode of 512 to 16 tokens", "mixed of 64 tokens". */
function keysText(keys: readonly CaptureKey[]): string {
  const kinds = [...new Set(keys.map(keyKind))].join(' and ');
  const first = keys[0].tokens;
  const last = keys[keys.length - 1].tokens;
  return `${kinds} of ${first === last ? countOf(first, 'token') : `${first} to ${last} tokens`}`;
}
